/** The URL and the options of the S3 driver. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { suite, test } from "node:test";
import { AppError, isAppError } from "@holdfast/kernel";
import { parseS3Location } from "../src/s3/location.ts";
import { openS3 } from "../src/s3/open-s3.ts";
import { credentials, hasCode, MEBIBYTE, SECRET } from "./s3-bench.ts";

suite("S3: settings", () => {
  test("a URL becomes a bucket, a folder and an endpoint", () => {
    const { endpoint, ...rest } = parseS3Location(
      new URL("s3://bucket/a%20b/c/?endpoint=https://s3.example:8443/path&region=eu-1&style=virtual"),
    );
    assert.equal(endpoint?.href, "https://s3.example:8443/path");
    assert.deepEqual(rest, { bucket: "bucket", prefix: "a b/c/", region: "eu-1", style: "virtual" });
    assert.deepEqual(parseS3Location(new URL("s3://my.bucket")), {
      bucket: "my.bucket",
      prefix: "",
      endpoint: undefined,
      region: undefined,
      style: "virtual",
    });
    assert.equal(parseS3Location(new URL("s3://bucket?endpoint=http://localhost")).style, "path");
  });

  for (const url of [
    "s3://",
    "s3://B/",
    "s3://bucket:80/",
    `s3://user:${SECRET}@bucket/`,
    "s3://bucket/a//b",
    "s3://bucket/%00",
    "s3://bucket/%ff",
    `s3://bucket/${"x".repeat(600)}`,
    "s3://bucket#x",
    "s3://bucket?other=1",
    "s3://bucket?region=a&region=b",
    "s3://bucket?region=a%20b",
    "s3://bucket?style=both",
    "s3://bucket?endpoint=ftp://server",
    `s3://bucket?endpoint=https://user:${SECRET}@server`,
    "s3://bucket?endpoint=https://server?x=1",
    "s3://bucket?endpoint=server",
  ]) {
    test(`${url.slice(0, 60)} is refused`, () => {
      assert.throws(() => parseS3Location(new URL(url)), hasCode("ERR_USAGE"));
    });
  }

  test("plain HTTP is for this machine only, unless it is allowed", async () => {
    const url = new URL("s3://bucket?endpoint=http://192.0.2.1:9");
    await assert.rejects(openS3(url, { credentials }), hasCode("ERR_USAGE"));
    const signal = AbortSignal.timeout(50);
    await assert.rejects(
      openS3(url, { credentials, allowPlainHttp: true, signal }),
      (error) => isAppError(error) && error.code !== "ERR_USAGE" && error.code !== "ERR_STORAGE_UNTRUSTED",
    );
  });

  test("the bucket stands in the host name or in the path, as the style says", async () => {
    for (const [style, hostname] of [
      ["virtual", "bucket.s3.invalid"],
      ["path", "s3.invalid"],
    ] as const) {
      const url = new URL(`s3://bucket?endpoint=https://s3.invalid&style=${style}`);
      await assert.rejects(openS3(url, { credentials }), (error) => {
        assert(hasCode("ERR_STORAGE_UNREACHABLE")(error) && isAppError(error));
        assert(error.cause instanceof Error && "hostname" in error.cause);
        assert.equal(error.cause.hostname, hostname);
        return true;
      });
    }
  });

  test("credentials that no header can hold are refused", async () => {
    const url = new URL("s3://bucket?endpoint=http://localhost:9");
    const broken = () => Promise.resolve({ accessKeyId: "KEY\n", secretAccessKey: SECRET });
    await assert.rejects(openS3(url, { credentials: broken }), hasCode("ERR_STORAGE_CREDENTIALS"));
  });

  test("credentials that are not there are the callback's error", async () => {
    const url = new URL("s3://bucket?endpoint=http://localhost:9");
    const none = () => Promise.reject(new AppError("ERR_KEY_MISSING", "There is no such password."));
    await assert.rejects(openS3(url, { credentials: none }), hasCode("ERR_KEY_MISSING"));
  });

  test("an opening is cancelled also while it waits for credentials", async () => {
    const url = new URL("s3://bucket?endpoint=http://localhost:9");
    const late = () => new Promise<never>(() => undefined);
    const abort = new AbortController();
    const opening = openS3(url, { credentials: late, signal: abort.signal });
    setTimeout(() => {
      abort.abort();
    }, 50);
    await assert.rejects(opening, hasCode("ERR_CANCELLED"));
  });

  test("an endpoint of the environment is held to the same", async () => {
    process.env["AWS_ENDPOINT_URL_S3"] = "http://192.0.2.1:9";
    try {
      await assert.rejects(
        openS3(new URL("s3://bucket?region=eu-1"), { credentials }),
        hasCode("ERR_STORAGE_UNTRUSTED"),
      );
    } finally {
      delete process.env["AWS_ENDPOINT_URL_S3"];
    }
  });

  test("options that make no sense are refused", async () => {
    const url = new URL("s3://bucket?endpoint=http://localhost:9");
    for (const options of [
      { fingerprint: "abc" },
      { objectLock: { mode: "COMPLIANCE", days: 0 } },
      { objectLock: { mode: "GOVERNANCE", days: 1.5 } },
      { partBytes: MEBIBYTE },
      { caFile: "/there/is/no/such/file" },
      { caFile: import.meta.filename },
    ] as const) {
      await assert.rejects(openS3(url, { credentials, ...options }), hasCode("ERR_USAGE"));
    }
  });

  test("other storages do not load Amazon's SDK", () => {
    const entry = new URL("../src/s3/open-s3.ts", import.meta.url).href;
    const program = `
      await import(process.argv[1]);
      const { createRequire } = await import("node:module");
      console.log(Object.keys(createRequire(process.argv[1]).cache).some((path) => path.includes("client-s3")));
    `;
    const args = ["--input-type=module", "--eval", program, entry];
    assert.equal(execFileSync(process.execPath, args, { encoding: "utf8" }).trim(), "false");
  });
});
