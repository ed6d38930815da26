/** Tasks: what they contain, what their leases grant, and what their ends bring about. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type ErrorCode, isAppError } from "@holdfast/kernel";
import {
  agentTask,
  leasePayload,
  newPlan,
  type PlanView,
  type TaskKind,
  type TaskResult,
} from "@holdfast/protocol";
import { createTaskKinds } from "../src/operations/index.ts";
import { createPlan } from "../src/plans/plans.ts";
import { listCopies } from "../src/copies/copy-rows.ts";
import { createStorage } from "../src/storages/storages.ts";
import type { TaskEnd, TaskKinds, TaskRow } from "../src/tasks/task-kinds.ts";
import { findStorage, showStorage } from "../src/storages/storage-rows.ts";
import { type Catalogue, catalogue, planOf } from "./catalogue-fixture.ts";
import { forEachDatabase } from "./databases.ts";
import { newTaskRow } from "./task-row.ts";

const PASSPHRASE = "correct horse battery";
const COPY = "a".repeat(64);

interface Scene {
  readonly fixture: Catalogue;
  readonly kinds: TaskKinds;
  readonly plan: PlanView;
  readonly device: string;
  readonly taskOf: (kind: TaskKind, input?: unknown) => TaskRow;
}

async function scene(fixture: Catalogue, retention: unknown = null): Promise<Scene> {
  const device = await fixture.addDevice();
  const password = await fixture.addSecret("password", "storage secret");
  const secret = await fixture.addSecret("encryption-key", PASSPHRASE);
  const location = "sftp://backup@nas/srv";
  const storage = {
    name: "nas",
    description: "",
    location,
    identity: { user: "backup" },
    secrets: { password },
  };
  const { id } = await createStorage(fixture, fixture.actor, storage);
  const encryption = { method: "cbc", level: "normal", secret };
  const given = { ...planOf({ devices: [device], storage: id, encryption }), exclude: ["*.tmp"], retention };
  const plan = await createPlan(fixture, fixture.actor, newPlan.parse(given));
  const taskOf = (kind: TaskKind, input: unknown = {}): TaskRow =>
    newTaskRow(kind, input, {
      plan_id: plan.id,
      device_id: device,
      storage_id: id,
      repository_id: kind === "storage.test" ? null : plan.repository,
    });
  return { fixture, kinds: createTaskKinds(fixture), plan, device, taskOf };
}

const INPUTS: ReadonlyMap<TaskKind, unknown> = new Map<TaskKind, unknown>([
  ["storage.test", {}],
  ["backup", {}],
  ["copies", {}],
  ["clean", {}],
  ["restore", { copy: COPY, include: [], existing: "skip", target: "/restored" }],
  ["verify", { readData: true, copies: [] }],
  ["forget", { copies: [COPY] }],
  ["browse", { copy: COPY, path: "", limit: 10 }],
  ["search", { copies: [COPY], pattern: "*.txt", match: "glob", path: "", limit: 10, secondsMax: 60 }],
  ["versions", { copies: [COPY], path: "srv", pathBytes: "_w" }],
  ["compare", { before: COPY, after: COPY, path: "", limit: 10 }],
  ["download", { copy: COPY, path: "srv/a", archive: "zip", uploadTo: "https://backup.example.com:8443" }],
]);

const hasCode =
  (code: ErrorCode) =>
  (error: unknown): boolean =>
    isAppError(error, code);

function finished(
  id: string,
  time: number,
): { state: "succeeded"; result: TaskResult<"backup">; warnings: number } {
  const copy = { id, time, host: "h", kind: "files", paths: ["/srv"], tags: [], size: 10, files: 1 };
  const counts = {
    filesNew: 1,
    filesChanged: 0,
    filesUnchanged: 0,
    bytesRead: 10,
    bytesAdded: 10,
    bytesStored: 9,
  };
  return { state: "succeeded", result: { copy, ...counts, seconds: 1, warnings: 0 }, warnings: 0 };
}

forEachDatabase("a task", (open) => {
  test("of each kind is what the protocol allows, and has no secret in it", async () => {
    await using fixture = await catalogue(await open());
    const { kinds, taskOf } = await scene(fixture);
    for (const [kind, input] of INPUTS) {
      const task = await kinds.describe(fixture.database.db, taskOf(kind, input));
      assert.deepEqual(agentTask.parse(structuredClone(task)), task);
      assert(!JSON.stringify(task).includes("storage secret"));
      assert(!JSON.stringify(task).includes(PASSPHRASE));
    }
  });

  test("is granted the smallest capability that does its work, never passphrase or root secret", async () => {
    await using fixture = await catalogue(await open());
    const { kinds, taskOf, plan } = await scene(fixture);
    const { db } = fixture.database;
    using root = await fixture.vault.get(db, {
      kind: "repository",
      id: plan.repository,
      version: 1,
      field: "value",
    });
    const keysOf = async (kind: TaskKind, input: unknown): Promise<string> => {
      const { payload } = await kinds.grant(db, taskOf(kind, input));
      leasePayload.parse(payload);
      const text = JSON.stringify(payload);
      assert(!text.includes(PASSPHRASE) && !text.includes(Buffer.from(root.bytes).toString("base64")));
      assert.deepEqual(Object.values(payload.storages), [{ user: "backup", password: "storage secret" }]);
      return Object.keys(payload.repository ?? {})
        .toSorted()
        .join(" ");
    };
    const write = "chunkerKey idKey publicKey repository tableKey";
    const read = "idKey privateSeed repository tableKey";
    const maintain = "repository tableKey";
    const expected = {
      copies: read,
      restore: read,
      verify: read,
      browse: read,
      search: read,
      versions: read,
      compare: read,
      download: read,
      forget: maintain,
      clean: maintain,
    };
    for (const [kind, input] of INPUTS) {
      const keys = kind === "backup" ? write : kind === "storage.test" ? "" : Reflect.get(expected, kind);
      assert.equal(await keysOf(kind, input), keys, kind);
    }
    assert.equal(await keysOf("verify", { readData: false, copies: [] }), "");
  });

  test("is granted nothing of a disabled encryption key", async () => {
    await using fixture = await catalogue(await open());
    const { kinds, taskOf, plan } = await scene(fixture);
    const { db } = fixture.database;
    const key = plan.encryption?.secret ?? "";
    await db.updateTable("secrets").set({ disabled: 1 }).where("id", "=", key).execute();
    await assert.rejects(kinds.grant(db, taskOf("backup")), hasCode("ERR_SECRET_DISABLED"));
  });
});

forEachDatabase("the end of a task", (open) => {
  const end = (current: Scene, task: TaskRow, ended: TaskEnd): Promise<void> =>
    current.fixture.database.transaction((transaction) => current.kinds.ended(transaction, task, ended));

  test("makes a finished backup a copy, once", async () => {
    await using fixture = await catalogue(await open());
    const current = await scene(fixture);
    const task = current.taskOf("backup");
    await end(current, task, finished(COPY, 5));
    await end(current, task, finished(COPY, 5));
    const { items } = await listCopies(fixture.database.db, { limit: 10, device: current.device });
    assert.deepEqual(
      items.map(({ id, stored, encryption, plan }) => ({ id, stored, encryption, plan })),
      [{ id: COPY, stored: 9, encryption: { method: "cbc", level: "normal" }, plan: current.plan.id }],
    );
    assert.deepEqual(fixture.queued, []);
  });

  test("lets the next backup of a device expect its repository, but not that of a device with a folder of its own", async () => {
    await using fixture = await catalogue(await open());
    const current = await scene(fixture);
    const { db } = fixture.database;
    const expected = async (device: string): Promise<unknown> => {
      const task = await current.kinds.describe(db, { ...current.taskOf("backup"), device_id: device });
      return task.kind === "backup" && task.hasCopies;
    };
    assert.equal(await expected(current.device), undefined);
    await end(current, current.taskOf("backup"), finished(COPY, 5));
    assert.equal(await expected(current.device), true);
    const other = await fixture.addDevice(["cbc"], false);
    const { location } = await findStorage(db, current.plan.storage);
    const storage = (to: string) =>
      db.updateTable("storages").set({ location: to }).where("id", "=", current.plan.storage).execute();
    await storage("/srv/backups");
    assert.equal(await expected(other), undefined);
    await storage("sftp://backup@nas/srv");
    assert.equal(await expected(other), true);
    await storage(location);
    await db.updateTable("copies").set({ forgotten_at: 1 }).execute();
    assert.equal(await expected(current.device), undefined);
  });

  test("keeps how much room is left in the storage, as a backup or test has found it", async () => {
    await using fixture = await catalogue(await open());
    const current = await scene(fixture);
    const { db } = fixture.database;
    const shown = async (): Promise<unknown[]> => {
      const { free, storedBytes } = await showStorage(db, await findStorage(db, current.plan.storage));
      return [free?.bytes, storedBytes];
    };
    assert.deepEqual(await shown(), [undefined, 0]);
    const backup = finished(COPY, 5);
    await end(current, current.taskOf("backup"), {
      ...backup,
      result: { ...backup.result, freeBytes: 2 ** 45 },
    });
    assert.deepEqual(await shown(), [2 ** 45, 9]);
    const task = { ...current.taskOf("storage.test"), storage_id: current.plan.storage };
    await end(current, task, { state: "succeeded", result: { milliseconds: 1, freeBytes: 7 }, warnings: 0 });
    assert.deepEqual(await shown(), [7, 9]);
    // One that does not tell.
    await end(current, task, { state: "succeeded", result: { milliseconds: 1 }, warnings: 0 });
    assert.deepEqual(await shown(), [7, 9]);
  });

  test("forgets by the plan's retention, on a worker, and then cleans", async () => {
    await using fixture = await catalogue(await open());
    const current = await scene(fixture, { last: 2 });
    const worker = await fixture.addDevice(["cbc"], true);
    for (const [index, letter] of ["a", "b", "c"].entries()) {
      await end(current, current.taskOf("backup"), finished(letter.repeat(64), 1000 + index));
    }
    const [forget, ...rest] = fixture.queued;
    assert.deepEqual(rest, []);
    assert.equal(forget?.kind, "forget");
    assert.equal(forget.deviceId, worker);
    assert.deepEqual(forget.input, { copies: [COPY] });
    const result = { copies: [COPY] };
    await end(current, current.taskOf("forget", forget.input), { state: "succeeded", result, warnings: 0 });
    assert.equal((await listCopies(fixture.database.db, { limit: 10 })).items.length, 2);
    assert.equal(fixture.queued.at(-1)?.kind, "clean");
  });

  test("brings the catalogue in line with what is in the storage", async () => {
    await using fixture = await catalogue(await open());
    const current = await scene(fixture);
    await end(current, current.taskOf("backup"), finished(COPY, 5));
    const { copy } = finished("b".repeat(64), 6).result;
    const result = { copies: [copy], complete: true };
    await end(current, current.taskOf("copies"), { state: "succeeded", result, warnings: 0 });
    const { items } = await listCopies(fixture.database.db, { limit: 10 });
    assert.deepEqual(
      items.map(({ id, device }) => [id, device]),
      [["b".repeat(64), null]],
    );
  });

  test("changes nothing when it failed or was cancelled", async () => {
    await using fixture = await catalogue(await open());
    const current = await scene(fixture);
    const error = { code: "ERR_FAILED", message: "x", subject: undefined, remedy: undefined } as const;
    await end(current, current.taskOf("backup"), { state: "failed", error });
    await end(current, current.taskOf("backup"), { state: "cancelled" });
    assert.deepEqual((await listCopies(fixture.database.db, { limit: 10 })).items, []);
  });
});
