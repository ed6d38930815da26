import assert from "node:assert/strict";
import { once } from "node:events";
import { suite, test } from "node:test";
import { systemClock } from "@holdfast/kernel";
import { CLOSE_CODES, SILENCE_MS } from "@holdfast/protocol";
import fc from "fast-check";
import { openDatabase } from "../src/database/open-database.ts";
import { showDevice } from "../src/devices/device-rows.ts";
import { startService } from "./device-fixture.ts";
import { connectAgent, dial, enrolDevice, PLATFORM } from "./scripted-agent.ts";

const POLICY_VIOLATION = 1008;
const TOO_BIG = 1009;
const HELLO = { type: "hello", version: "1", platform: PLATFORM, methods: [], runs: [] };

function runOfNumber(_: unknown, number: number): object {
  return { run: `run_${String(number).padStart(26, "0")}`, nextEvent: 1 };
}

const HOSTILE: readonly (readonly [string, string | Buffer])[] = [
  ["no JSON", "hello"],
  ["another type", '{"type":"takeover"}'],
  ["no hello first", '{"type":"beat"}'],
  ["bytes", Buffer.from(JSON.stringify(HELLO))],
  ["a wrong field", JSON.stringify({ ...HELLO, runs: [{ run: "run_1", nextEvent: 1 }] })],
  ["too many runs", JSON.stringify({ ...HELLO, runs: Array.from({ length: 65 }, runOfNumber) })],
  ["a zero in a text", JSON.stringify({ ...HELLO, version: "1\u0000" })],
  ["a tower of brackets", "[".repeat(500_000) + "]".repeat(500_000)],
  ["a prototype", '{"__proto__":{"type":"beat"},"type":"hello"}'],
];

suite("channel", () => {
  for (const [name, frame] of HOSTILE) {
    test(`closes for ${name}`, async () => {
      await using service = await startService(await openDatabase(":memory:"));
      const identity = await enrolDevice(service);
      const agent = dial(service.port, identity);
      await once(agent.socket, "open");
      agent.sendText(frame);
      assert.equal(await agent.closed, POLICY_VIOLATION);
      // And lives on.
      await (await connectAgent(service, identity)).close();
      assert.deepEqual(service.failures, []);
    });
  }

  test("keeps the disks that a device announces, until it says otherwise", async () => {
    await using service = await startService(await openDatabase(":memory:"));
    const identity = await enrolDevice(service);
    const kept = async (): Promise<unknown> => {
      const { id } = await service.database.db.selectFrom("devices").select("id").executeTakeFirstOrThrow();
      const { disks } = await showDevice(service.database.db, systemClock, id);
      return disks;
    };
    const sda = { name: "sda", bytes: 5, model: "m", removable: false, readOnly: false, volumes: [] };
    for (const [disks, expected] of [
      [[sda], [sda]],
      // Of an older agent.
      [undefined, []],
    ]) {
      const agent = dial(service.port, identity);
      await once(agent.socket, "open");
      agent.sendText(JSON.stringify({ ...HELLO, disks }));
      await agent.next("welcome");
      assert.deepEqual(await kept(), expected);
      await agent.close();
    }
    const many = dial(service.port, identity);
    await once(many.socket, "open");
    many.sendText(JSON.stringify({ ...HELLO, disks: Array.from({ length: 33 }, () => sda) }));
    assert.equal(await many.closed, POLICY_VIOLATION);
  });

  test("closes for a second hello, and for frames above 1 MiB", async () => {
    await using service = await startService(await openDatabase(":memory:"));
    const identity = await enrolDevice(service);
    const twice = await connectAgent(service, identity);
    twice.hello();
    assert.equal(await twice.closed, POLICY_VIOLATION);
    const big = await connectAgent(service, identity);
    big.sendText(JSON.stringify({ type: "beat", padding: "x".repeat(1024 * 1024) }));
    assert.equal(await big.closed, TOO_BIG);
    assert.deepEqual(service.failures, []);
  });

  test("a deeply nested result ends the channel, not the service", async () => {
    await using service = await startService(await openDatabase(":memory:"));
    const identity = await enrolDevice(service);
    const agent = await connectAgent(service, identity);
    const depth = 200_000;
    const result = `${"[".repeat(depth)}${"]".repeat(depth)}`;
    agent.sendText(
      `{"type":"event","run":"run_00000000000000000000000000","number":1,"at":1,"event":{"kind":"succeeded","result":${result}}}`,
    );
    assert.equal(await agent.closed, POLICY_VIOLATION);
    await (await connectAgent(service, identity)).close();
  });

  test("random frames never reach further than the schema", async () => {
    await using service = await startService(await openDatabase(":memory:"));
    const identity = await enrolDevice(service);
    await fc.assert(
      fc.asyncProperty(fc.json(), async (frame) => {
        const agent = await connectAgent(service, identity);
        agent.sendText(frame);
        assert.equal(await agent.closed, POLICY_VIOLATION);
      }),
      { numRuns: 15 },
    );
    assert.deepEqual(service.failures, []);
  });

  test("silence of three beats ends it; a beat is answered, and keeps it", async () => {
    await using service = await startService(await openDatabase(":memory:"));
    const identity = await enrolDevice(service);
    const agent = await connectAgent(service, identity);
    service.clock.move(SILENCE_MS - 5000);
    agent.send({ type: "beat" });
    await agent.next("beat");
    service.clock.move(SILENCE_MS - 5000);
    await service.dispatcher.tick();
    agent.send({ type: "beat" });
    await agent.next("beat");
    service.clock.move(SILENCE_MS + 1);
    await service.dispatcher.tick();
    assert.equal(await agent.closed, 1006);
  });

  test("without a hello it ends", async () => {
    await using service = await startService(await openDatabase(":memory:"));
    const agent = dial(service.port, await enrolDevice(service));
    await once(agent.socket, "open");
    service.clock.move(16_000);
    await service.dispatcher.tick();
    assert.equal(await agent.closed, 1006);
  });

  test("many frames at once are handled in their order", async () => {
    await using service = await startService(await openDatabase(":memory:"));
    const identity = await enrolDevice(service);
    const agent = await connectAgent(service, identity);
    await service.createTask(identity.deviceId);
    const { run } = await agent.next("start");
    const count = 5000;
    const text = "x".repeat(2000);
    for (let number = 1; number <= count; number += 1)
      agent.event(run, number, { kind: "log", level: "info", text });
    let acknowledged = 0;
    while (acknowledged < count) acknowledged = (await agent.next("acknowledge")).number;
    const { items } = await service.database.db
      .selectFrom("run_events")
      .select((eb) => eb.fn.countAll<number>().as("items"))
      .executeTakeFirstOrThrow();
    assert.equal(items, count);
    assert.deepEqual(service.failures, []);
  });

  test("a service that stops says so, and forgets who was connected", async () => {
    const service = await startService(await openDatabase(":memory:"));
    const identity = await enrolDevice(service);
    const agent = await connectAgent(service, identity);
    await service.dispatcher.stop();
    assert.equal(await agent.closed, CLOSE_CODES.stopping);
    const row = await service.database.db.selectFrom("devices").select("process_id").executeTakeFirst();
    assert.equal(row?.process_id, null);
    await service[Symbol.asyncDispose]();
  });
});
