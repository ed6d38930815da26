/** Leases: what they hold, how long, and that nothing of it is left. */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test, type TestContext } from "node:test";
import { suiteFor } from "@holdfast/crypto";
import { AppError, type ErrorCode, isAppError, newId, systemClock, systemRandomness } from "@holdfast/kernel";
import type { AgentTask, LeasePayload } from "@holdfast/protocol";
import type { KeySet } from "@holdfast/repository";
import { readLeasedPayload } from "../src/lease/leased-payload.ts";
import { RunLeases } from "../src/lease/run-leases.ts";
import { DARWIN } from "../src/platform/darwin.ts";
import { currentPlatform, platformOf } from "../src/platform/platform.ts";
import { executeRun, type ExecutePorts } from "../src/runs/execute-run.ts";
import { backupTask, newBench, newRepository, type TestRepository, writeTree } from "./agent-bench.ts";
import { DEVICE, fakeChannel, LEASE_MS } from "./fake-channel.ts";
import { VirtualClock } from "./virtual-clock.ts";

const hasCode =
  (code: ErrorCode) =>
  (error: unknown): boolean =>
    isAppError(error, code);

function isWiped(keys: KeySet | undefined): boolean {
  const secrets = [keys?.tableKey, keys?.idKey, keys?.chunkerKey, keys?.privateSeed].filter(
    (key) => key !== undefined,
  );
  return secrets.length > 0 && secrets.every((key) => key.every((byte) => byte === 0));
}

suite("The payload of a lease", () => {
  const repository = newRepository("/nowhere");

  test("gives its keys in shared memory, and is overwritten", () => {
    const payload = repository.payload("read");
    const bytes = Buffer.from(JSON.stringify(payload));
    const { keys } = readLeasedPayload(bytes);
    assert.ok(bytes.every((byte) => byte === 0));
    assert.equal(keys?.repository.toString("hex"), repository.ref.id);
    assert.equal(keys.tableKey.toString("base64"), payload.repository?.tableKey);
    assert.equal(keys.privateSeed?.toString("base64"), payload.repository?.privateSeed);
    for (const key of [keys.tableKey, keys.idKey, keys.privateSeed])
      assert.ok(key?.buffer instanceof SharedArrayBuffer);
    assert.equal(keys.chunkerKey, undefined);
  });

  test("gives the write capability with its public key", () => {
    const payload = repository.payload("write");
    const { keys } = readLeasedPayload(Buffer.from(JSON.stringify(payload)));
    assert.equal(keys?.publicKey?.length, 1216);
    assert.equal(keys.chunkerKey?.toString("base64"), payload.repository?.chunkerKey);
    assert.equal(keys.privateSeed, undefined);
  });

  test("gives credentials by storage, whatever their names", () => {
    const storages = { sto_a: { user: 'a"b\\c', password: "tableKey" }, repository: { password: "é" } };
    const bytes = Buffer.from(JSON.stringify({ storages }));
    const { keys, credentials } = readLeasedPayload(bytes);
    assert.equal(keys, undefined);
    assert.deepEqual(credentials.get("sto_a"), storages.sto_a);
    assert.deepEqual(credentials.get("repository"), storages.repository);
  });

  const { repository: leased = { repository: "", tableKey: "" } } = repository.payload("write");
  const withKeys = (more: object): string =>
    JSON.stringify({ storages: {}, repository: { ...leased, ...more } });
  for (const [what, text] of [
    ["what is no JSON", "{"],
    ["no table key", withKeys({ tableKey: undefined })],
    ["a short key", withKeys({ tableKey: "AAAA" })],
    ["a long key", withKeys({ tableKey: Buffer.alloc(33).toString("base64") })],
    ["more behind a key", withKeys({ tableKey: `${leased.tableKey}AAAA` })],
    ["a key that is no base 64", withKeys({ idKey: leased.tableKey.replace(/^./u, "!") })],
    ["a key that is cut", withKeys({ idKey: leased.tableKey.replace("=", "A") })],
    [
      "a key that comes twice",
      withKeys({}).replace('"tableKey"', `"tableKey":"${leased.tableKey}","tableKey"`),
    ],
    ["a short public key", withKeys({ publicKey: "AAAA" })],
    ["an unknown credential", JSON.stringify({ storages: { a: { shell: "secret text" } } })],
    ["a text without an end", `{"storages":{"a`],
  ] as const) {
    test(`is refused with ${what}, and not repeated`, () => {
      const bytes = Buffer.from(text);
      assert.throws(
        () => readLeasedPayload(bytes),
        (error: unknown) => {
          assert.ok(isAppError(error, "ERR_PROTOCOL"));
          assert.ok(!error.message.includes("secret text") && error.cause === undefined);
          return true;
        },
      );
      assert.ok(bytes.every((byte) => byte === 0));
    });
  }
});

suite("A lease", () => {
  const repository = newRepository("/nowhere");

  async function begin(clock: VirtualClock): Promise<{
    readonly leases: RunLeases;
    readonly given: { lease: string; until: number }[];
    readonly ends: AppError[];
  }> {
    const { channel, given } = fakeChannel(() => repository.payload("write"), clock);
    const ends: AppError[] = [];
    const ports = { clock, randomness: systemRandomness, channel, device: DEVICE };
    const leases = new RunLeases(ports, newId("run"), new AbortController().signal, (error) =>
      ends.push(error),
    );
    await leases.begin();
    return { leases, given, ends };
  }

  test("runs out when nothing is heard of the service, and its keys are overwritten", async () => {
    const clock = new VirtualClock();
    const { leases, ends } = await begin(clock);
    const { keys } = leases;
    await clock.pass(LEASE_MS - 1000);
    assert.equal(ends.length, 0);
    assert.ok(!isWiped(keys));
    await clock.pass(2000);
    assert.deepEqual(
      ends.map(({ code }) => code),
      ["ERR_LEASE_ENDED"],
    );
    assert.ok(isWiped(keys));
    await assert.rejects(leases.sourceOf("any")(), hasCode("ERR_LEASE_ENDED"));
  });

  test("lives on by beats that move it, and not by others", async () => {
    const clock = new VirtualClock();
    const { leases, given, ends } = await begin(clock);
    const [own] = given;
    assert.ok(own !== undefined);
    await clock.pass(LEASE_MS - 60_000);
    leases.take(
      { type: "beat", leases: [{ lease: own.lease, until: clock.now() + LEASE_MS }] },
      clock.monotonic(),
    );
    await clock.pass(LEASE_MS - 60_000);
    assert.equal(ends.length, 0);
    const other = { lease: newId("lease"), until: clock.now() + LEASE_MS };
    leases.take({ type: "beat", leases: [other] }, clock.monotonic());
    // What does not move is no renewal.
    leases.take({ type: "beat", leases: [{ lease: own.lease, until: own.until }] }, clock.monotonic());
    await clock.pass(61_000);
    assert.equal(ends.length, 1);
  });

  test("has run out on a machine that slept for so long", async () => {
    const clock = new VirtualClock();
    const { leases, ends } = await begin(clock);
    clock.jump(LEASE_MS + 1000);
    await clock.pass(15_000);
    assert.equal(ends.length, 1);
    assert.ok(isWiped(leases.keys));
  });

  test("cannot be moved after it ran out", async () => {
    const clock = new VirtualClock();
    const { leases, given, ends } = await begin(clock);
    await clock.pass(LEASE_MS + 1000);
    const [own] = given;
    leases.take(
      { type: "beat", leases: [{ lease: own?.lease ?? "", until: clock.now() + LEASE_MS }] },
      clock.monotonic(),
    );
    await clock.pass(1000);
    assert.equal(ends.length, 1);
    assert.ok(isWiped(leases.keys));
  });

  test("is taken again after a storage refused its credentials, three times at most", async () => {
    const clock = new VirtualClock();
    const storage = repository.ref.storage.id;
    let version = 0;
    const payload = (): LeasePayload => {
      version += 1;
      return { ...repository.payload("write"), storages: { [storage]: { password: String(version) } } };
    };
    const { channel, given } = fakeChannel(payload, clock);
    const ports = { clock, randomness: systemRandomness, channel, device: DEVICE };
    using leases = new RunLeases(ports, newId("run"), new AbortController().signal, () => undefined);
    await leases.begin();
    const source = leases.sourceOf(storage);
    assert.deepEqual([await source(), await source()], [{ password: "1" }, { password: "1" }]);
    const { keys } = leases;
    for (const expected of ["2", "3", "4", "4"]) {
      await clock.pass(10_000);
      leases.refused();
      const answers = await Promise.all([source(), source()]);
      assert.deepEqual(answers, [{ password: expected }, { password: expected }]);
      // From calls that had begun with the old password.
      leases.refused();
      assert.deepEqual(await source(), { password: expected });
    }
    assert.equal(given.length, 4);
    // The keys of the first lease stay in use.
    assert.equal(leases.keys, keys);
    assert.ok(!isWiped(keys));
  });
});

interface Scene {
  readonly ports: ExecutePorts;
  readonly path: (name: string) => string;
  readonly repository: TestRepository;
  readonly given: readonly unknown[];
  readonly execute: (task: AgentTask, abort?: AbortController) => Promise<unknown>;
  readonly seen: RunLeases[];
}

function newScene(
  context: TestContext,
  capability: "write" | "read" = "write",
  platform = currentPlatform(),
): Scene {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-lease-"));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = (name: string): string => join(folder, name);
  const repository = newRepository(path("storage"), suiteFor("gcm", "high"));
  const { channel, given } = fakeChannel(() => repository.payload(capability), systemClock);
  const clock = systemClock;
  const ports = {
    clock,
    randomness: systemRandomness,
    channel,
    device: DEVICE,
    platform,
    stateDir: path("state"),
    upload: () => Promise.reject(new Error("nothing is uploaded")),
  };
  const seen: RunLeases[] = [];
  const listeners = {
    warn: () => undefined,
    log: () => undefined,
    progress: () => undefined,
    leases: (leases: RunLeases) => seen.push(leases),
  };
  const execute = (task: AgentTask, abort = new AbortController()): Promise<unknown> =>
    executeRun(newId("run"), task, abort, ports, listeners);
  return { ports, path, repository, given, execute, seen };
}

suite("A run", { timeout: 600_000 }, () => {
  test("leaves no key behind when it succeeds", async (context) => {
    const { execute, repository, path, seen } = newScene(context);
    writeTree(path("source"), 10_000);
    await execute(backupTask(repository, [path("source")]));
    assert.ok(isWiped(seen[0]?.keys));
  });

  test("leaves no key behind when it fails or is cancelled", async (context) => {
    const { execute, repository, path, seen } = newScene(context);
    await assert.rejects(execute(backupTask(repository, [path("missing")])), hasCode("ERR_PATH_NOT_FOUND"));
    assert.ok(isWiped(seen[0]?.keys));
    writeTree(path("source"), 4_000_000);
    const abort = new AbortController();
    const reason = new AppError("ERR_CANCELLED", "Enough.");
    const slow = backupTask(repository, [path("source")], { bytesPerSecond: 1000 });
    const run = execute(slow, abort);
    // Some while after it has its keys: it waits for its turn to store then.
    while (seen[1]?.keys === undefined) await systemClock.sleep(20);
    setTimeout(() => abort.abort(reason), 700);
    await assert.rejects(run, (error) => error === reason);
    assert.ok(isWiped(seen[1]?.keys));
  });

  test("with AES-GCM fails on macOS before a lease is taken or a byte touched", async (context) => {
    const { execute, repository, path, given } = newScene(context, "write", platformOf(DARWIN));
    writeTree(path("source"), 1000);
    const read = {
      kind: "restore",
      copy: "0".repeat(64),
      target: path("target"),
      include: [],
      existing: "skip",
    } as const;
    const restore: AgentTask = { ...repository.common(), ...read, include: [] };
    for (const task of [backupTask(repository, [path("source")]), restore]) {
      await assert.rejects(execute(task), (error: unknown) => {
        assert.ok(isAppError(error, "ERR_METHOD_UNSUPPORTED"));
        assert.match(error.message, /AES-GCM/u);
        assert.match(error.remedy ?? "", /[Cc]lone/u);
        if (task.plan !== undefined) assert.match(error.message, /Nightly/u);
        return true;
      });
    }
    assert.equal(given.length, 0);
    assert.deepEqual(readdirSync(path(".")), ["source"]);
  });

  test("of a repository that is not the task's is refused", async (context) => {
    const { execute, repository, path } = newScene(context);
    writeTree(path("source"), 1000);
    await execute(backupTask(repository, [path("source")]));
    const { ref } = repository;
    const weaker = {
      ...repository,
      common: () => ({ ...repository.common(), repository: { ...ref, suite: 1 } }),
    };
    await assert.rejects(execute(backupTask(weaker, [path("source")])), hasCode("ERR_REPOSITORY_MISMATCH"));
    const other = {
      ...repository,
      common: () => ({ ...repository.common(), repository: { ...ref, id: "0".repeat(32) } }),
    };
    await assert.rejects(execute(backupTask(other, [path("source")])), hasCode("ERR_PROTOCOL"));
  });

  test("does not begin after its deadline, and ends at it", async (context) => {
    const { execute, repository, path, given } = newScene(context);
    writeTree(path("source"), 4_000_000);
    const task = (deadline: number): AgentTask =>
      backupTask(repository, [path("source")], { deadline, bytesPerSecond: 1000 });
    await assert.rejects(execute(task(Date.now() - 1)), hasCode("ERR_TASK_DEADLINE"));
    assert.equal(given.length, 0);
    await assert.rejects(execute(task(Date.now() + 800)), hasCode("ERR_TASK_DEADLINE"));
  });

  test("with the write capability cannot restore", async (context) => {
    const { execute, repository, path } = newScene(context, "write");
    writeTree(path("source"), 1000);
    await execute(backupTask(repository, [path("source")]));
    const task: AgentTask = { ...repository.common(), kind: "copies" };
    await assert.rejects(execute(task), hasCode("ERR_CAPABILITY"));
  });

  test("is not begun where the service refuses the lease", async (context) => {
    const bench = await newBench(context);
    bench.service.script.grant = () => undefined;
    const repository = newRepository(bench.path("storage"));
    writeTree(bench.path("source"), 1000);
    await bench.run();
    const end = await bench.service.end(bench.service.start(backupTask(repository, [bench.path("source")])));
    assert.ok(end.kind === "failed" && end.error.code === "ERR_LEASE_ENDED");
    assert.ok(!existsSync(bench.path("storage")));
  });

  test("ends when its lease runs out while the service is gone, and nothing is stored any more", async (context) => {
    const bench = await newBench(context, { leaseMs: 1500, renewsLeases: false });
    const { service, path } = bench;
    const repository = newRepository(path("storage"));
    service.script.grant = () => repository.payload("write");
    writeTree(path("source"), 4_000_000);
    await bench.run();
    const run = service.start(backupTask(repository, [path("source")], { bytesPerSecond: 1000 }));
    const end = await service.end(run);
    assert.ok(end.kind === "failed" && end.error.code === "ERR_LEASE_ENDED", JSON.stringify(end));
    assert.ok(!existsSync(path("storage/copies")) || readdirSync(path("storage/copies")).length === 0);
  });
});
