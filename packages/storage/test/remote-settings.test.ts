import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { isAppError } from "@holdfast/kernel";
import { takeSettings } from "../src/remote/settings.ts";

suite("settings in the URL of a remote storage", () => {
  test("are taken out of it, and nothing else", () => {
    const url = new URL(
      "s3://bucket/folder?endpoint=https://s3.example&ca=/etc/ca.pem&lock=Compliance:30&parallel=4&rate=1000000&retry=60&region=eu",
    );
    const settings = takeSettings(url);
    assert.equal(url.href, "s3://bucket/folder?endpoint=https%3A%2F%2Fs3.example&region=eu");
    assert.deepEqual(settings, {
      ca: "/etc/ca.pem",
      fingerprints: [],
      encrypt: undefined,
      kerberos: false,
      lock: { mode: "COMPLIANCE", days: 30 },
      plainHttp: false,
      parallel: 4,
      bytesPerSecond: 1_000_000,
      retrySeconds: 60,
    });
  });

  test("leave no question mark, and fingerprints as ssh-keygen prints them", () => {
    const [one, other] = ["SHA256:a+b/c", "SHA256:d+e+f"];
    const url = new URL(`sftp://host/path?fingerprint=${one}&fingerprint=${other}`);
    assert.deepEqual(takeSettings(url).fingerprints, [one, other]);
    assert.equal(url.href, "sftp://host/path");
  });

  for (const query of [
    "parallel=0",
    "parallel=65",
    "rate=-1",
    "rate=1e3",
    "retry=0",
    "retry=43201",
    "lock=compliance",
    "lock=compliance:0",
    "encrypt=maybe",
    "kerberos=1",
    "ca=",
    "ca=a&ca=b",
  ]) {
    test(`${query} is refused by the name of the setting`, () => {
      assert.throws(
        () => takeSettings(new URL(`s3://bucket?${query}`)),
        (error) => isAppError(error, "ERR_USAGE") && error.subject === query.split("=")[0],
      );
    });
  }
});
