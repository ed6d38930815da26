import assert from "node:assert/strict";
import { once } from "node:events";
import { suite, test } from "node:test";
import { isAppError } from "@holdfast/kernel";
import { CLOSE_CODES, ENROLMENT_CODE_MS, parseEnrolmentCode } from "@holdfast/protocol";
import { openDatabase } from "../src/database/open-database.ts";
import { createAttemptLimit } from "../src/devices/attempt-limit.ts";
import { listDevices, showDevice } from "../src/devices/device-rows.ts";
import { changeDevice, deleteDevice } from "../src/devices/devices.ts";
import { forEachDatabase } from "./databases.ts";
import { ADMINISTRATOR, startService, taskRow, type TestService } from "./device-fixture.ts";
import {
  connectAgent,
  dial,
  enrolDevice,
  newAgentKeys,
  PLATFORM,
  postEnroll,
  refusedUpgrade,
  type ScriptedAgent,
} from "./scripted-agent.ts";
import { testClock } from "./vault-fixture.ts";

async function enrolmentBody(code: string, request?: string): Promise<Record<string, unknown>> {
  return {
    secret: parseEnrolmentCode(code).secret.toString("base64"),
    certificateRequest: request ?? (await newAgentKeys()).request,
    name: "web-1",
    platform: PLATFORM,
  };
}

const queryAll = { limit: 50 };

forEachDatabase("devices", (open) => {
  test("a code makes one device; wrong, used and expired codes get the same answer", async () => {
    await using service = await startService(await open());
    const code = await service.enrolmentCode();
    assert.deepEqual(parseEnrolmentCode(code).pin, service.authority.pin);
    const body = await enrolmentBody(code);
    const first = await postEnroll(service, body);
    assert.equal(first.status, 201);
    const used = await postEnroll(service, body);
    const wrong = await postEnroll(service, { ...body, secret: Buffer.alloc(16).toString("base64") });
    const late = await service.enrolmentCode();
    service.clock.move(ENROLMENT_CODE_MS + 1);
    const expired = await postEnroll(service, await enrolmentBody(late));
    assert.deepEqual(used, wrong);
    assert.deepEqual(used, expired);
    assert.deepEqual(used, { status: 400, body: { code: "ERR_ENROLMENT_CODE" } });
    const { items } = await listDevices(service.database.db, service.clock, queryAll);
    assert.equal(items.length, 1);
    assert.deepEqual(items[0]?.platform, PLATFORM);
    assert.equal(items[0]?.online, false);
    const rows = await service.database.db
      .selectFrom("audit_rows")
      .select("action")
      .orderBy("number")
      .execute();
    assert.deepEqual(
      rows.map(({ action }) => action).filter((action) => action.startsWith("device.")),
      ["device.enrolment-code", "device.enroll", "device.enrolment-code"],
    );
  });

  test("of two agents with one code at once, one is enrolled", async () => {
    await using service = await startService(await open());
    const code = await service.enrolmentCode();
    const bodies = await Promise.all([enrolmentBody(code), enrolmentBody(code)]);
    const answers = await Promise.all(bodies.map((body) => postEnroll(service, body)));
    assert.deepEqual(
      answers.map(({ status }) => status).toSorted((a, b) => a - b),
      [201, 400],
    );
  });

  test("a bad certificate request does not use up the code", async () => {
    await using service = await startService(await open());
    const code = await service.enrolmentCode();
    const { request } = await newAgentKeys("P-384");
    const bad = await postEnroll(service, await enrolmentBody(code, request));
    assert.deepEqual(bad.body, { code: "ERR_DEVICE_CERTIFICATE" });
    assert.equal((await postEnroll(service, await enrolmentBody(code))).status, 201);
  });

  test("the channel opens to the certificate of the device, and to no other", async () => {
    await using service = await startService(await open());
    const identity = await enrolDevice(service);
    const none = await refusedUpgrade(service.port, { ...identity, certificate: "" });
    assert.deepEqual(none, { status: 401, code: "ERR_DEVICE_CERTIFICATE" });
    // Issued by the authority, but not the one that the device has.
    const { request, privateKey } = await newAgentKeys();
    const issued = await service.authority.issueClient(Buffer.from(request, "base64"), identity.deviceId);
    const revoked = await refusedUpgrade(service.port, { ...identity, certificate: issued.pem, privateKey });
    assert.deepEqual(revoked, { status: 401, code: "ERR_DEVICE_CERTIFICATE" });
    const agent = await connectAgent(service, identity);
    const shown = await showDevice(service.database.db, service.clock, identity.deviceId);
    assert.equal(shown.online, true);
    assert.deepEqual(shown.methods, ["gcm", "cbc"]);
    await agent.close();
    assert.deepEqual(service.failures, []);
  });

  test("an expired certificate is refused, by the clock of the service", async () => {
    await using service = await startService(await open());
    const identity = await enrolDevice(service);
    const agent = await connectAgent(service, identity);
    service.clock.move(90 * 24 * 3600 * 1000);
    agent.send({ type: "beat" });
    await agent.next("beat");
    await service.dispatcher.tick();
    assert.equal(await agent.closed, CLOSE_CODES.certificate);
    const refused = await refusedUpgrade(service.port, identity);
    assert.deepEqual(refused, { status: 401, code: "ERR_DEVICE_CERTIFICATE" });
  });

  test("disabling closes the channel, ends runs and leases, and keeps the device out until it is enabled", async () => {
    await using service = await startService(await open());
    const identity = await enrolDevice(service);
    const agent = await connectAgent(service, identity);
    const task = await service.createTask(identity.deviceId, { attemptMax: 3 });
    await agent.next("start");
    const change = (disabled: boolean, revision: number) =>
      changeDevice(service, ADMINISTRATOR, identity.deviceId, { disabled }, revision);
    assert.equal((await change(true, 1)).disabled, true);
    assert.equal(await agent.closed, CLOSE_CODES.disabled);
    const ended = await taskRow(service.database, task);
    assert.equal(ended.state, "failed");
    assert.match(ended.error ?? "", /ERR_DEVICE_DISABLED/u);
    const again = dial(service.port, identity);
    assert.equal(await again.closed, CLOSE_CODES.disabled);
    await change(false, 2);
    await (await connectAgent(service, identity)).close();
  });

  test("a device is renamed with If-Match, found by part of its name, and removed", async () => {
    await using service = await startService(await open());
    const { deviceId } = await enrolDevice(service);
    const { db } = service.database;
    const renamed = await changeDevice(service, ADMINISTRATOR, deviceId, { name: "Büro_1", worker: true }, 1);
    assert.equal(renamed.revision, 2);
    await assert.rejects(changeDevice(service, ADMINISTRATOR, deviceId, { name: "x" }, 1), (error) =>
      isAppError(error, "ERR_CHANGED_MEANWHILE"),
    );
    const found = async (name: string): Promise<number> =>
      (await listDevices(db, service.clock, { limit: 5, name })).items.length;
    assert.deepEqual(await Promise.all(["RO_", "r%1", "ro1", "web"].map(found)), [1, 0, 0, 0]);
    const queued = await service.createTask(deviceId);
    await deleteDevice(service, ADMINISTRATOR, deviceId);
    assert.equal((await taskRow(service.database, queued)).state, "cancelled");
    await assert.rejects(showDevice(db, service.clock, deviceId), (error) =>
      isAppError(error, "ERR_NOT_FOUND"),
    );
  });

  test("a certificate is renewed over the channel; the old one serves until the new one is used", async () => {
    await using service = await startService(await open());
    const identity = await enrolDevice(service);
    const agent = await connectAgent(service, identity);
    const { request, privateKey } = await newAgentKeys();
    agent.send({ type: "request", id: 1, request: { kind: "renew", certificateRequest: request } });
    const { answer } = await agent.next("answer");
    assert(answer.kind === "renew");
    await agent.close();
    await (await connectAgent(service, identity)).close();
    const renewed = { ...identity, certificate: answer.certificate, privateKey };
    const second = await connectAgent(service, renewed);
    const refused = await refusedUpgrade(service.port, identity);
    assert.deepEqual(refused, { status: 401, code: "ERR_DEVICE_CERTIFICATE" });
    // Not with the same key again.
    second.send({ type: "request", id: 2, request: { kind: "renew", certificateRequest: request } });
    assert.equal((await second.next("refusal")).error.code, "ERR_DEVICE_CERTIFICATE");
    await second.close();
    assert.deepEqual(service.failures, []);
  });

  test("a certificate is renewed ten times an hour at most", async () => {
    await using service = await startService(await open());
    const identity = await enrolDevice(service);
    const agent = await connectAgent(service, identity);
    const { request } = await newAgentKeys();
    const ask = (id: number): void =>
      agent.send({ type: "request", id, request: { kind: "renew", certificateRequest: request } });
    for (let id = 1; id <= 12; id += 1) ask(id);
    for (let count = 0; count < 10; count += 1) await agent.next("answer");
    for (let count = 0; count < 2; count += 1)
      assert.equal((await agent.next("refusal")).error.code, "ERR_TOO_MANY_ATTEMPTS");
    service.clock.move(3_600_001);
    ask(13);
    assert.equal((await agent.next("answer")).id, 13);
    await agent.close();
  });

  test("a device has four connections at most, the newest of them", async () => {
    await using service = await startService(await open());
    const identity = await enrolDevice(service);
    const neighbour = await connectAgent(service, await enrolDevice(service));
    const mute: ScriptedAgent[] = [];
    for (let count = 0; count < 6; count += 1) {
      const agent = dial(service.port, identity);
      await once(agent.socket, "open");
      mute.push(agent);
    }
    await Promise.all(mute.slice(0, 2).map(({ closed }) => closed));
    for (const { socket } of mute.slice(2)) assert.equal(socket.readyState, socket.OPEN);
    const last = await connectAgent(service, identity);
    assert.equal(neighbour.socket.readyState, neighbour.socket.OPEN);
    for (const agent of [...mute.slice(2), last, neighbour]) await agent.close();
  });

  test("of two channels of a device the newer one stays", async () => {
    await using service = await startService(await open());
    const identity = await enrolDevice(service);
    const older = await connectAgent(service, identity);
    const newer = await connectAgent(service, identity);
    assert.equal(await older.closed, CLOSE_CODES.replaced);
    assert.equal((await showDevice(service.database.db, service.clock, identity.deviceId)).online, true);
    await service.createTask(identity.deviceId);
    await newer.next("start");
    await newer.close();
    await eventually(service, identity.deviceId, false);
  });
});

async function eventually(service: TestService, deviceId: string, online: boolean): Promise<void> {
  const until = performance.now() + 60_000;
  for (;;) {
    const shown = await showDevice(service.database.db, service.clock, deviceId);
    if (shown.online === online) return;
    assert(performance.now() < until, `the device is ${String(shown.online)} for too long`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

suite("enrolment over the network", () => {
  test("what is no request is refused, and too much is not read", async () => {
    await using service = await startService(await openDatabase(":memory:"));
    assert.deepEqual((await postEnroll(service, { secret: 1 })).body, { code: "ERR_USAGE" });
    assert.equal((await postEnroll(service, { secret: "x".repeat(100_000) })).status, 400);
  });

  test("failures from one address are limited for all processes together, and forgiven in time", async () => {
    await using database = await openDatabase(":memory:");
    const clock = testClock();
    const [one, other] = [createAttemptLimit(database, clock), createAttemptLimit(database, clock)];
    for (let count = 0; count < 11; count += 1) {
      await one.check("10.0.0.1");
      await (count % 2 === 0 ? one : other).failed("10.0.0.1");
    }
    for (const limit of [one, other]) {
      await assert.rejects(limit.check("10.0.0.1"), (error) => isAppError(error, "ERR_TOO_MANY_ATTEMPTS"));
    }
    await one.check("10.0.0.2");
    clock.move(60_000);
    await other.check("10.0.0.1");
    clock.move(11 * 60_000);
    await one.failed("10.0.0.1");
    const { count } = await database.db
      .selectFrom("sign_in_failures")
      .select("count")
      .executeTakeFirstOrThrow();
    assert.equal(count, 1, "the older ones are forgiven");
  });

  test("an open connection without a device gets nothing but enrolment", async () => {
    await using service = await startService(await openDatabase(":memory:"));
    const identity = await enrolDevice(service);
    const agent = dial(service.port, identity, "holdfast.agent.2");
    await once(agent.socket, "open");
    assert.equal(await agent.closed, CLOSE_CODES.version);
  });
});
