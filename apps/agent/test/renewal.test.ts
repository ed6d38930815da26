/** Renewal of the device's certificate over the channel. */
import assert from "node:assert/strict";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";
import { AppError, type Clock, newId, systemClock } from "@holdfast/kernel";
import { certificateRequest, newDeviceKey } from "../src/identity/certificate-request.ts";
import type { Identity } from "../src/identity/identity.ts";
import { keepRenewed, renewalTime } from "../src/identity/renewal.ts";
import { newBench } from "./agent-bench.ts";
import { newAuthority, type TestAuthority } from "./authority.ts";

const HOUR_MS = 3_600_000;

/** What a service answers: a certificate for this name. */
type Renewal = (authority: TestAuthority, name: string, request: Buffer) => Promise<string>;

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

  const WRONG: readonly (readonly [string, Renewal])[] = [
    ["for another key", (authority, name) => authority.issueClient(certificateRequest(newDeviceKey()), name)],
    ["by another authority", async (_, name, request) => (await newAuthority()).issueClient(request, name)],
    ["as something else", () => Promise.resolve("no certificate")],
  ];
  for (const [what, issue] of WRONG) {
    test(`that was issued ${what} is not taken, and the next one is asked for an hour later`, async (context) => {
      const bench = await newBench(context, { validMs: HOUR_MS / 3 });
      const { service, stateDir } = bench;
      service.renew = (request) => issue(service.script.authority, service.device, request);
      const pauses: number[] = [];
      const clock: Clock = {
        ...systemClock,
        sleep: (ms, signal) => {
          pauses.push(ms);
          return systemClock.sleep(ms, signal);
        },
      };
      await bench.run({ clock });
      const before = readFileSync(join(stateDir, "identity.json"));
      while (!bench.log.some((line) => line.includes("renewed")))
        await new Promise((resolve) => setTimeout(resolve, 20));
      assert.ok(bench.log.some((line) => line.includes("could not be renewed")));
      assert.deepEqual(readFileSync(join(stateDir, "identity.json")), before);
      assert.ok(pauses.includes(HOUR_MS));
      assert.equal(service.seen("request").length, 1);
    });
  }

  test("is used when it is stored, and not before: the service then forgets the old one", async () => {
    const authority = await newAuthority();
    const ending = new AbortController();
    const key = newDeviceKey();
    const certificate = await authority.issueClient(certificateRequest(key), "device", 1000);
    const { certificate: trusted } = authority;
    const old = { service: "https://127.0.0.1", proxy: undefined, device: newId("dev"), privateKey: key };
    const used: Identity[] = [];
    await keepRenewed(
      {
        clock: systemClock,
        log: () => ending.abort(),
        channel: {
          requestRenewal: async ({ certificateRequest: request }) => {
            const renewed = await authority.issueClient(Buffer.from(request, "base64"), "device");
            const welcome = { type: "welcome", device: old.device, heartbeatMs: 1, leaseMs: 1 } as const;
            return { answer: { kind: "renew", certificate: renewed }, sentMs: 0, welcome };
          },
        },
        folder: {
          path: "",
          read: () => Promise.resolve(undefined),
          write: () => Promise.reject(new AppError("ERR_AGENT_STATE", "The disk is full.")),
          remove: () => Promise.resolve(),
        },
        identity: () => ({ ...old, certificate, authority: trusted }),
        onRenewed: (identity) => used.push(identity),
      },
      ending.signal,
    );
    assert.deepEqual(used, []);
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
