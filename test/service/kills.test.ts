/**
 * Service and agent are killed in the middle of a backup: the task ends well all the same, once, and the copy restores.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite, test, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type Scene, startScene } from "./scene.ts";

const PASSPHRASE = "correct horse battery staple";
const FILES = 48;
const FILE_BYTES = 1_000_000;
/** So that a backup lasts long enough to be killed in, on any machine. */
const BYTES_PER_SECOND = 4_000_000;

interface Started {
  readonly scene: Scene;
  readonly source: string;
  readonly plan: string;
  readonly task: string;
}

/** A backup that is long enough to be killed in, and has begun to write. */
async function startBackup(context: TestContext): Promise<Started> {
  const scene = await startScene(context, ["--no-worker"]);
  const { api, bench } = scene;
  const source = bench.path("source");
  mkdirSync(source);
  for (let number = 0; number < FILES; number += 1) {
    writeFileSync(join(source, String(number)), randomBytes(FILE_BYTES));
  }
  const device = await scene.addAgent("one");
  const secret = await api.ok("POST", "/secrets", {
    kind: "encryption-key",
    name: "key",
    value: PASSPHRASE,
    confirmation: PASSPHRASE,
  });
  const storage = await api.ok("POST", "/storages", { name: "nas", location: bench.path("storage") });
  const plan = await api.ok("POST", "/plans", {
    name: "nightly",
    devices: [device],
    paths: [source],
    storage: storage["id"],
    encryption: { method: "gcm", level: "high", secret: secret["id"] },
    bytesPerSecond: BYTES_PER_SECOND,
    retries: { count: 3, delaySeconds: 1 },
  });
  const { tasks } = await api.ok("POST", `/plans/${String(plan["id"])}/run`, {});
  assert(Array.isArray(tasks));
  const started = { scene, source, plan: String(plan["id"]), task: String(tasks[0]) };
  await packWritten(started);
  return started;
}

async function packWritten({ scene, task }: Started): Promise<void> {
  const { bench, api } = scene;
  for (;;) {
    // The first agent makes the folder; while it is written to, names come and go.
    const names = existsSync(bench.path("storage")) ? namesBelow(bench.path("storage")) : [];
    if (names.some((name) => /packs\/..\/[0-9a-f]{64}$/u.test(name))) break;
    const { endedAt } = await api.ok("GET", `/tasks/${task}`);
    assert.equal(endedAt, null, "the backup was over before anything could be killed");
    await sleep(20);
  }
}

function namesBelow(folder: string): readonly string[] {
  try {
    return readdirSync(folder, { recursive: true, encoding: "utf8" });
  } catch {
    return [];
  }
}

async function checkResult({
  scene,
  source,
  plan,
  task,
}: Started): Promise<Readonly<Record<string, unknown>>> {
  const { api, bench, ended } = scene;
  const backup = await ended(task);
  assert.equal(backup["state"], "succeeded", `${JSON.stringify(backup["error"])}\n${scene.complaints()}`);
  const { items } = await api.ok("GET", `/copies?plan=${plan}`);
  assert(Array.isArray(items));
  assert.equal(items.length, 1);
  const [copy]: { id?: unknown }[] = items;
  const target = bench.path("restored");
  const { task: restore } = await api.ok("POST", `/copies/${String(copy?.id)}/restore`, { target });
  assert.equal((await ended(restore))["state"], "succeeded");
  execFileSync("diff", ["-r", source, join(target, source)]);
  assert.equal((await api.ok("GET", "/audit/verification"))["problem"], undefined);
  return backup;
}

suite("a backup survives", () => {
  test("that its service is killed and started again", { timeout: 300_000 }, async (context) => {
    const started = await startBackup(context);
    await started.scene.killService();
    await started.scene.restartService();
    const backup = await checkResult(started);
    assert.equal(backup["attempt"], 1, "the agent went on by itself");
  });

  test("that its agent is killed and started again", { timeout: 300_000 }, async (context) => {
    const started = await startBackup(context);
    await started.scene.killAgent("one");
    started.scene.restartAgent("one");
    const backup = await checkResult(started);
    assert.equal(backup["attempt"], 2);
  });
});
