/**
 * Who may open a channel and what a lease is answered to, over real TLS: wrong, foreign, expired and revoked certificates; requests
 * that are replayed, doubled, out of turn, or for what is another's.
 */
import assert from "node:assert/strict";
import { randomBytes, X509Certificate } from "node:crypto";
import { once } from "node:events";
import { connect } from "node:tls";
import { test } from "node:test";
// oxlint-disable-next-line import/no-unassigned-import -- it only has to be there before the next one
import "reflect-metadata";
import * as x509 from "@peculiar/x509";
import { systemRandomness } from "@holdfast/kernel";
import { AGENT_SERVER_NAME, CHANNEL_PATH, CLOSE_CODES, LEASE_MS } from "@holdfast/protocol";
import { openAuthority } from "../src/authority/authority.ts";
import { openDatabase } from "../src/database/open-database.ts";
import { changeDevice, deleteDevice } from "../src/devices/devices.ts";
import { forEachDatabase } from "./databases.ts";
import { ADMINISTRATOR, leaseKeys, startService, type TestService } from "./device-fixture.ts";
import {
  connectAgent,
  dial,
  enrolDevice,
  type Identity,
  newAgentKeys,
  refusedUpgrade,
  type ScriptedAgent,
} from "./scripted-agent.ts";
import { PORTS, vaultFixture } from "./vault-fixture.ts";

const CERTIFICATE_MS = 90 * 24 * 3600_000;
const NOT_ISSUED = { status: 401, code: "ERR_DEVICE_CERTIFICATE" };
const CREDENTIAL = "correct horse";

let requests = 0;

function ask(agent: ScriptedAgent, run: string, publicKey = leaseKeys(randomBytes(32)).publicKey): number {
  requests += 1;
  agent.send({ type: "request", id: requests, request: { kind: "lease", run, publicKey } });
  return requests;
}

/** The code. */
async function refusal(agent: ScriptedAgent, run: string, publicKey?: string): Promise<string> {
  const id = ask(agent, run, publicKey);
  const refused = await agent.next("refusal");
  assert.equal(refused.id, id);
  assert(!JSON.stringify(refused).includes(CREDENTIAL));
  return refused.error.code;
}

async function given(agent: ScriptedAgent, run: string, publicKey?: string): Promise<void> {
  const id = ask(agent, run, publicKey);
  assert.equal((await agent.next("answer")).id, id);
}

async function beginRun(service: TestService, identity: Identity, agent: ScriptedAgent): Promise<string> {
  await service.createTask(identity.deviceId);
  return (await agent.next("start")).run;
}

async function leasesGiven({ database: { db } }: TestService): Promise<number> {
  const { count } = await db
    .selectFrom("leases")
    .select((eb) => eb.fn.countAll<number>().as("count"))
    .executeTakeFirstOrThrow();
  const { audited } = await db
    .selectFrom("audit_rows")
    .select((eb) => eb.fn.countAll<number>().as("audited"))
    .where("action", "=", "lease.give")
    .executeTakeFirstOrThrow();
  assert.equal(count, audited, "each lease is on record");
  return count;
}

/** A device as another installation's authority would have made it. */
async function foreignIdentity(authority: string, deviceId: string): Promise<Identity> {
  await using other = await vaultFixture(await openDatabase(":memory:"));
  const foreign = await openAuthority({
    database: other.database,
    vault: other.vault,
    clock: PORTS.clock,
    randomness: systemRandomness,
  });
  const { privateKey, request } = await newAgentKeys();
  const issued = await foreign.issueClient(Buffer.from(request, "base64"), deviceId);
  return { deviceId, certificate: issued.pem, privateKey, authority };
}

/** Everything as in the real certificate, but for the key, and who has signed. */
async function forgedIdentity(real: Identity): Promise<Identity> {
  const known = new x509.X509Certificate(real.certificate);
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const { publicKey, privateKey } = await newAgentKeys();
  const forger = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const forged = await x509.X509CertificateGenerator.create({
    serialNumber: known.serialNumber,
    subject: known.subject,
    issuer: known.issuer,
    notBefore: known.notBefore,
    notAfter: known.notAfter,
    extensions: known.extensions,
    publicKey: await crypto.subtle.importKey("spki", new Uint8Array(publicKey), algorithm, true, ["verify"]),
    signingKey: forger.privateKey,
    signingAlgorithm: algorithm,
  });
  assert.equal(new X509Certificate(forged.toString("pem")).subject, `CN=${real.deviceId}`);
  return { ...real, certificate: forged.toString("pem"), privateKey };
}

forEachDatabase("the channel of a device", (open) => {
  test("opens with a certificate of this authority alone", async () => {
    await using service = await startService(await open());
    const identity = await enrolDevice(service);
    const { authority } = identity;
    const nobody = { certificate: "", privateKey: "", authority };
    assert.deepEqual(await refusedUpgrade(service.port, nobody), NOT_ISSUED);
    const foreign = await foreignIdentity(authority, identity.deviceId);
    assert.deepEqual(await refusedUpgrade(service.port, foreign), NOT_ISSUED);
    assert.deepEqual(await refusedUpgrade(service.port, await forgedIdentity(identity)), NOT_ISSUED);
    // The certificate of this device without its key does not even make a connection.
    const stolen = { ...identity, privateKey: (await newAgentKeys()).privateKey };
    assert.equal(await dial(service.port, stolen).closed, 1006);
    await (await connectAgent(service, identity)).close();
    assert.equal(await leasesGiven(service), 0);
    assert.deepEqual(service.failures, []);
  });

  test("does not open when the certificate's time is over, or not begun", async () => {
    await using service = await startService(await open());
    const identity = await enrolDevice(service);
    service.clock.move(CERTIFICATE_MS + 1);
    assert.deepEqual(await refusedUpgrade(service.port, identity), NOT_ISSUED);
    service.clock.move(-(CERTIFICATE_MS + 1) - 48 * 3600_000);
    assert.deepEqual(await refusedUpgrade(service.port, identity), NOT_ISSUED);
    service.clock.move(48 * 3600_000);
    await (await connectAgent(service, identity)).close();
  });

  for (const [how, code] of [
    ["disabled", CLOSE_CODES.disabled],
    ["removed", CLOSE_CODES.disabled],
  ] as const) {
    test(`closes, and gives nothing, when its device is ${how}`, async () => {
      await using service = await startService(await open());
      const identity = await enrolDevice(service);
      const agent = await connectAgent(service, identity);
      const run = await beginRun(service, identity, agent);
      const dependencies = { ...service, randomness: systemRandomness };
      if (how === "removed") await deleteDevice(dependencies, ADMINISTRATOR, identity.deviceId);
      else await changeDevice(dependencies, ADMINISTRATOR, identity.deviceId, { disabled: true }, 1);
      // Asked at once, before the service may have closed the channel.
      if (agent.socket.readyState === agent.socket.OPEN) ask(agent, run);
      await service.dispatcher.tick();
      assert.equal(await agent.closed, code);
      assert(!agent.heard.some(({ type }) => type === "answer"));
      const again = dial(service.port, identity);
      again.socket.once("open", () => {
        again.hello();
        ask(again, run);
      });
      assert.equal(await again.closed, code);
      assert.deepEqual(again.heard, []);
      assert.equal(await leasesGiven(service), 0);
    });
  }

  test("gives no lease before it was introduced, nor on a channel that a newer one replaced", async () => {
    await using service = await startService(await open());
    const identity = await enrolDevice(service);
    const agent = await connectAgent(service, identity);
    const run = await beginRun(service, identity, agent);
    const mute = dial(service.port, identity);
    await once(mute.socket, "open");
    ask(mute, run);
    assert.equal(await mute.closed, 1008);
    const newer = await connectAgent(service, identity, [{ run, nextEvent: 1 }]);
    assert.equal(await agent.closed, CLOSE_CODES.replaced);
    await given(newer, run);
    assert.equal(await leasesGiven(service), 1);
  });

  test("answers a lease for the runs of its own device, in the same words for all others", async () => {
    await using service = await startService(await open());
    const [mine, theirs] = [await enrolDevice(service), await enrolDevice(service)];
    const [me, they] = [await connectAgent(service, mine), await connectAgent(service, theirs)];
    const [own, foreign] = [await beginRun(service, mine, me), await beginRun(service, theirs, they)];
    const messages: string[] = [];
    for (const run of [foreign, `run_${"0".repeat(26)}`]) {
      ask(me, run);
      const { error } = await me.next("refusal");
      assert.equal(error.code, "ERR_LEASE_REFUSED");
      messages.push(error.message.replace(run, "RUN"));
    }
    assert.equal(messages[0], messages[1]);
    await given(me, own);
    await given(they, foreign);
    assert.equal(await leasesGiven(service), 2);
  });

  test("answers a public key once: to whomever, for whatever run, whenever", async () => {
    await using service = await startService(await open());
    const identity = await enrolDevice(service);
    const agent = await connectAgent(service, identity);
    const run = await beginRun(service, identity, agent);
    const { publicKey } = leaseKeys(randomBytes(32));
    await given(agent, run, publicKey);
    // The very same frame again, as whoever has recorded it would send it.
    agent.send({ type: "request", id: requests, request: { kind: "lease", run, publicKey } });
    assert.equal((await agent.next("refusal")).error.code, "ERR_LEASE_REFUSED");
    const second = await beginRun(service, identity, agent);
    assert.equal(await refusal(agent, second, publicKey), "ERR_LEASE_REFUSED");
    const again = await connectAgent(service, identity, [
      { run, nextEvent: 1 },
      { run: second, nextEvent: 1 },
    ]);
    assert.equal(await refusal(again, run, publicKey), "ERR_LEASE_REFUSED");
    const other = await enrolDevice(service);
    const neighbour = await connectAgent(service, other);
    const theirs = await beginRun(service, other, neighbour);
    assert.equal(await refusal(neighbour, theirs, publicKey), "ERR_LEASE_REFUSED");
    service.clock.move(LEASE_MS * 2);
    const afterwards = await connectAgent(service, other, [{ run: theirs, nextEvent: 1 }]);
    assert.equal(await refusal(afterwards, theirs, publicKey), "ERR_LEASE_REFUSED");
    assert.equal(await leasesGiven(service), 1);
  });

  test("gives at most four leases of a run, however many ask at once", async () => {
    await using service = await startService(await open());
    const identity = await enrolDevice(service);
    const agent = await connectAgent(service, identity);
    const run = await beginRun(service, identity, agent);
    for (let count = 0; count < 12; count += 1) ask(agent, run);
    for (let count = 0; count < 8; count += 1) await agent.next("refusal");
    assert.equal(await leasesGiven(service), 4);
  });

  test("gives nothing after the end, and nothing that has run out comes back by a beat", async () => {
    await using service = await startService(await open());
    const identity = await enrolDevice(service);
    const agent = await connectAgent(service, identity);
    const run = await beginRun(service, identity, agent);
    await given(agent, run);
    agent.event(run, 1, { kind: "failed", error: { code: "ERR_FAILED", message: "It failed." } });
    // In the same breath: the end comes first.
    assert.equal(await refusal(agent, run), "ERR_LEASE_REFUSED");
    agent.send({ type: "beat" });
    assert.deepEqual((await agent.next("beat")).leases, []);
    assert.equal(await refusal(agent, run), "ERR_LEASE_REFUSED");
    assert.equal(await leasesGiven(service), 1);
    const second = await beginRun(service, identity, agent);
    await given(agent, second);
    service.clock.move(LEASE_MS + 1);
    agent.send({ type: "beat" });
    assert.deepEqual((await agent.next("beat")).leases, []);
    assert.deepEqual(service.failures, []);
  });
});

test("a certificate of another authority is refused by its content, not by what the client says of itself", async () => {
  await using service = await startService(await openDatabase(":memory:"));
  const identity = await enrolDevice(service);
  const foreign = await foreignIdentity(identity.authority, identity.deviceId);
  const socket = connect({
    host: "127.0.0.1",
    port: service.port,
    servername: AGENT_SERVER_NAME,
    ca: identity.authority,
    cert: foreign.certificate,
    key: foreign.privateKey,
  });
  await once(socket, "secureConnect");
  const headers = ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"];
  const claims = [
    `X-Client-Cert: ${encodeURIComponent(identity.certificate)}`,
    "X-SSL-Client-Verify: SUCCESS",
  ];
  const key = `Sec-WebSocket-Key: ${randomBytes(16).toString("base64")}`;
  socket.write([`GET ${CHANNEL_PATH} HTTP/1.1`, "Host: x", ...headers, key, ...claims, "", ""].join("\r\n"));
  let answer = "";
  for await (const piece of socket) answer += String(piece);
  assert.match(answer, /^HTTP\/1\.1 401 /u);
});
