/** Renewal of the device's certificate over the channel. */
import assert from "node:assert/strict";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";
import { renewalTime } from "../src/identity/renewal.ts";
import { newBench } from "./agent-bench.ts";
import { newAuthority } from "./authority.ts";
import { certificateRequest, newDeviceKey } from "../src/identity/certificate-request.ts";

const HOUR_MS = 3_600_000;

suite("The certificate of a device", { timeout: 600_000 }, () => {
  test("is renewed with a new key when a third of its time is left, and used from then on", async (context) => {
    // Issued an hour ago, with 20 minutes left of 80.
    const bench = await newBench(context, { validMs: HOUR_MS / 3 });
    const { service, stateDir } = bench;
    await bench.run();
    await service.until(() => service.seen("request").length > 0);
    const read = (): Record<string, string> =>
      JSON.parse(readFileSync(join(stateDir, "identity.json"), "utf8"));
    while (!bench.log.some((line) => line.includes("was renewed")))
      await new Promise((resolve) => setTimeout(resolve, 20));
    const { certificate = "", key = "" } = read();
    const renewed = new X509Certificate(certificate);
    assert.ok(renewed.validToDate.getTime() > Date.now() + 24 * HOUR_MS);
    assert.ok(renewed.checkPrivateKey(createPrivateKey(readFileSync(join(stateDir, key)))));
    assert.equal(readdirSync(stateDir).filter((name) => name.endsWith(".pem")).length, 1);
    service.drop();
    await service.until(() => service.seen("hello").length === 2);
    assert.equal(service.serials.length, 2);
    assert.notEqual(service.serials[0], service.serials[1]);
    assert.equal(service.serials[1], renewed.serialNumber);
    assert.equal(service.seen("request").length, 1);
  });

  test("that the authority did not issue for the new key is not taken", async (context) => {
    const bench = await newBench(context, { validMs: HOUR_MS / 3 });
    const other = await newAuthority();
    const { service, stateDir } = bench;
    service.renew = () => other.issueClient(certificateRequest(newDeviceKey()), service.device);
    await bench.run();
    const before = readFileSync(join(stateDir, "identity.json"));
    while (!bench.log.some((line) => line.includes("could not be renewed")))
      await new Promise((resolve) => setTimeout(resolve, 20));
    assert.deepEqual(readFileSync(join(stateDir, "identity.json")), before);
  });

  test("is due after two thirds of its time", async () => {
    const authority = await newAuthority();
    const certificate = await authority.issueClient(
      certificateRequest(newDeviceKey()),
      "device",
      2 * HOUR_MS,
    );
    const { validFromDate } = new X509Certificate(certificate);
    assert.equal(renewalTime({ certificate }), validFromDate.getTime() + 2 * HOUR_MS);
  });
});
