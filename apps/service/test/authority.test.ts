import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { Agent, get } from "node:https";
import { suite, test } from "node:test";
import { isAppError } from "@holdfast/kernel";
import { AGENT_SERVER_NAME } from "@holdfast/protocol";
import fc from "fast-check";
import { openAuthority } from "../src/authority/authority.ts";
import { readClientCertificate } from "../src/authority/client-certificate.ts";
import { browserNames } from "../src/authority/server-names.ts";
import { openDatabase } from "../src/database/open-database.ts";
import { forEachDatabase } from "./databases.ts";
import { movedClock, startService } from "./device-fixture.ts";
import { newAgentKeys, tlsConnect } from "./scripted-agent.ts";
import { PORTS, testClock, vaultFixture } from "./vault-fixture.ts";

const DAY_MS = 24 * 3600 * 1000;
const DEVICE = "dev_00000000000000000000000000";

function isRefused(error: unknown): boolean {
  return isAppError(error, "ERR_DEVICE_CERTIFICATE");
}

forEachDatabase("authority", (open) => {
  test("is made once, also when two processes start at once, and opens again", async () => {
    await using fixture = await vaultFixture(await open());
    const dependencies = { ...PORTS, database: fixture.database, vault: fixture.vault };
    const [first, second] = await Promise.all([openAuthority(dependencies), openAuthority(dependencies)]);
    const third = await openAuthority(dependencies);
    assert.equal(second.certificate, first.certificate);
    assert.equal(third.certificate, first.certificate);
    assert.deepEqual(third.pin, first.pin);
  });
});

suite("certificates", () => {
  test("a client certificate says what the service decided, for the key of the request", async () => {
    await using fixture = await vaultFixture(await openDatabase(":memory:"));
    const clock = testClock();
    const authority = await openAuthority({
      ...PORTS,
      database: fixture.database,
      vault: fixture.vault,
      clock,
    });
    const { request } = await newAgentKeys();
    const issued = await authority.issueClient(Buffer.from(request, "base64"), DEVICE);
    const certificate = new X509Certificate(issued.pem);
    assert.equal(certificate.subject, `CN=${DEVICE}`);
    assert.equal(certificate.validToDate.getTime(), issued.expiresAt);
    assert.equal(issued.expiresAt - clock.now(), 90 * DAY_MS);
    assert.match(issued.serial, /^01[0-9a-f]{32}$/u);
    assert.deepEqual(certificate.keyUsage, ["1.3.6.1.5.5.7.3.2"]);
    const other = await authority.issueClient(Buffer.from(request, "base64"), DEVICE);
    assert.notEqual(other.serial, issued.serial);

    const read = (now: number) => readClientCertificate(authority, certificate, now);
    const identity = read(clock.now());
    assert(typeof identity === "object");
    assert.equal(identity.deviceId, DEVICE);
    assert.equal(identity.serial, issued.serial);
    assert.equal(read(issued.expiresAt), "time");
    assert.equal(typeof read(issued.expiresAt - 1), "object");
    assert.equal(read(clock.now() - 2 * 3600 * 1000), "time");
    assert.equal(readClientCertificate(authority, undefined, clock.now()), "none");
  });

  test("requests of another curve, with a wrong signature, or for the key in use are refused", async () => {
    await using fixture = await vaultFixture(await openDatabase(":memory:"));
    const authority = await openAuthority({ ...PORTS, database: fixture.database, vault: fixture.vault });
    const p384 = await newAgentKeys("P-384");
    await assert.rejects(authority.issueClient(Buffer.from(p384.request, "base64"), DEVICE), isRefused);
    const good = await newAgentKeys();
    const changed = Buffer.from(good.request, "base64");
    const last = changed.length - 1;
    changed[last] = (changed[last] ?? 0) ^ 1;
    await assert.rejects(authority.issueClient(changed, DEVICE), isRefused);
    const spki = good.publicKey;
    await assert.rejects(authority.issueClient(Buffer.from(good.request, "base64"), DEVICE, spki), isRefused);
    await assert.rejects(authority.issueClient(Buffer.alloc(9000), DEVICE), isRefused);
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
        await assert.rejects(authority.issueClient(bytes, DEVICE), isRefused);
      }),
      { numRuns: 50 },
    );
    const request = Buffer.from(good.request, "base64");
    await fc.assert(
      fc.asyncProperty(fc.nat(request.length - 1), fc.integer({ min: 1, max: 255 }), async (at, flip) => {
        const bytes = Buffer.from(request);
        bytes[at] = (bytes[at] ?? 0) ^ flip;
        try {
          // The decoder forgives some bytes around what is signed, but never another key.
          const { publicKey } = new X509Certificate((await authority.issueClient(bytes, DEVICE)).pem);
          assert.deepEqual(publicKey.export({ type: "spki", format: "der" }), spki);
        } catch (error) {
          assert(isRefused(error), String(error));
        }
      }),
      { numRuns: 100 },
    );
  });

  test("certificates of servers and of other authorities prove no device", async () => {
    await using fixture = await vaultFixture(await openDatabase(":memory:"));
    await using stranger = await vaultFixture(await openDatabase(":memory:"));
    const authority = await openAuthority({ ...PORTS, database: fixture.database, vault: fixture.vault });
    const other = await openAuthority({ ...PORTS, database: stranger.database, vault: stranger.vault });
    const now = Date.now();
    const { request } = await newAgentKeys();
    const foreign = await other.issueClient(Buffer.from(request, "base64"), DEVICE);
    assert.equal(readClientCertificate(authority, new X509Certificate(foreign.pem), now), "untrusted");
    const server = await authority.issueServer({ dns: [DEVICE.replace("_", "-")], addresses: [] });
    assert.equal(readClientCertificate(authority, new X509Certificate(server.pem), now), "untrusted");
    assert.equal(
      readClientCertificate(authority, new X509Certificate(authority.certificate), now),
      "untrusted",
    );
    const nobody = await authority.issueClient(Buffer.from(request, "base64"), "Ada, CN=dev");
    assert.equal(readClientCertificate(authority, new X509Certificate(nobody.pem), now), "untrusted");
  });

  test("the certificate for browsers is kept until its time comes to an end", async () => {
    await using fixture = await vaultFixture(await openDatabase(":memory:"));
    const clock = movedClock();
    const dependencies = { ...PORTS, clock, database: fixture.database, vault: fixture.vault };
    const names = { dns: ["vault.example"], addresses: [] };
    const first = await (await openAuthority(dependencies)).browserCertificate(names);
    const authority = await openAuthority(dependencies);
    assert.deepEqual(await authority.browserCertificate(names), first);
    const other = await authority.browserCertificate({ dns: ["other.example"], addresses: [] });
    assert.notEqual(other.serial, first.serial);
    clock.move(61 * DAY_MS);
    const renewed = await Promise.all([
      authority.browserCertificate(names),
      authority.browserCertificate(names),
    ]);
    assert.notEqual(renewed[0].serial, first.serial);
    assert.deepEqual(renewed[1], renewed[0]);
  });

  test("names for browsers: names and addresses of the machine, nothing else", () => {
    assert.deepEqual(
      browserNames(["Vault.example", "0.0.0.0", "[::1]", "10.0.0.7", "not a name", "*.evil"]),
      {
        dns: ["vault.example", "localhost"],
        addresses: ["::1", "10.0.0.7", "127.0.0.1"],
      },
    );
  });
});

suite("the port", () => {
  test("shows agents a chain of the authority, browsers their own certificate, and speaks TLS 1.3 only", async () => {
    await using service = await startService(await openDatabase(":memory:"));
    const agent = await tlsConnect(service.port, AGENT_SERVER_NAME, service.authority.certificate);
    assert.equal(agent.authorized, true);
    assert.equal(agent.getProtocol(), "TLSv1.3");
    const chain = agent.getPeerCertificate(true);
    assert.equal(chain.subjectaltname, `DNS:${AGENT_SERVER_NAME}`);
    assert.equal(
      new X509Certificate(chain.issuerCertificate.raw).fingerprint256,
      new X509Certificate(service.authority.certificate).fingerprint256,
    );
    agent.destroy();
    const browser = await tlsConnect(service.port, "localhost", service.authority.certificate);
    assert.equal(browser.authorized, true);
    assert.equal(browser.getPeerCertificate().subjectaltname, "DNS:localhost, IP Address:127.0.0.1");
    browser.destroy();
    assert.deepEqual(service.failures, []);
  });

  test("keeps connections for longer than a proxy does, which would send a request into one that is closed", async () => {
    await using service = await startService(await openDatabase(":memory:"));
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const agent = new Agent({ keepAlive: true, ca: service.authority.certificate });
    get({ host: "localhost", port: service.port, path: "/nothing", agent }, resolve).once("error", reject);
    const { headers } = (await promise).resume();
    const said = String(headers["keep-alive"]);
    const seconds = Number(/^timeout=(?<seconds>\d+)$/u.exec(said)?.groups?.["seconds"]);
    assert.ok(seconds > 60, said);
    agent.destroy();
  });

  test("certificates of the server are renewed before they end", async () => {
    await using service = await startService(await openDatabase(":memory:"));
    const serials = async (): Promise<string[]> => {
      const shown: string[] = [];
      for (const name of [AGENT_SERVER_NAME, "localhost"]) {
        const socket = await tlsConnect(service.port, name, service.authority.certificate);
        shown.push(socket.getPeerCertificate().serialNumber);
        socket.destroy();
      }
      return shown;
    };
    const before = await serials();
    service.clock.move(59 * DAY_MS);
    await service.tls.renew();
    assert.deepEqual(await serials(), before);
    service.clock.move(2 * DAY_MS);
    await service.tls.renew();
    const after = await serials();
    assert.notEqual(after[0], before[0]);
    assert.notEqual(after[1], before[1]);
  });
});
