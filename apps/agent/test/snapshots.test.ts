/** Backups of volumes as they are when they begin; folders stand for the snapshots of other systems. */
import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { suite, test, type TestContext } from "node:test";
import { AppError, newId, systemClock, systemRandomness } from "@holdfast/kernel";
import type { AgentTask } from "@holdfast/protocol";
import type { SnapshotSystem } from "@holdfast/sources";
import { currentPlatform } from "../src/platform/platform.ts";
import { executeRun } from "../src/runs/execute-run.ts";
import { backupTask, newRepository, writeTree } from "./agent-bench.ts";
import { DEVICE, fakeChannel } from "./fake-channel.ts";

interface Scene {
  readonly path: (name: string) => string;
  readonly repository: ReturnType<typeof newRepository>;
  readonly execute: (task: AgentTask, capability: "write" | "read") => Promise<unknown>;
}

function newScene(context: TestContext, snapshots?: SnapshotSystem): Scene {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-snapshot-"));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = (name: string): string => join(folder, name);
  const repository = newRepository(path("storage"));
  writeTree(path("source"), 10_000);
  const listeners = { warn: () => {}, log: () => {}, progress: () => {}, leases: () => {} };
  const execute: Scene["execute"] = (task, capability) => {
    const { channel } = fakeChannel(() => repository.payload(capability), systemClock);
    const ports = {
      clock: systemClock,
      randomness: systemRandomness,
      channel,
      device: DEVICE,
      platform: currentPlatform(),
      stateDir: path("state"),
      upload: () => Promise.reject(new Error("nothing is uploaded here")),
      ...(snapshots === undefined ? {} : { snapshots }),
    };
    return executeRun(newId("run"), task, new AbortController(), ports, listeners);
  };
  return { path, repository, execute };
}

/** Freezes the source by copying it, and changes it before anything is read. */
function folderSnapshots(source: () => string, existing: Set<string>): SnapshotSystem {
  return {
    volumesOf: () => ({ volumes: [source()], left: [] }),
    create: async (volume, { newFolder, created }) => {
      const frozen = await newFolder();
      cpSync(volume, frozen, { recursive: true });
      existing.add(frozen);
      await created({ id: frozen });
      writeFileSync(join(volume, "notes/one.txt"), "changed after the backup began");
      return [{ path: volume.slice(1), source: frozen }];
    },
    remove: async ({ id }) => {
      rmSync(id, { recursive: true, force: true });
      existing.delete(id);
    },
  };
}

suite("A backup with a snapshot", { timeout: 600_000 }, () => {
  test("has what was there when it began, under the names of the volume, and removes the snapshot", async (context) => {
    const existing = new Set<string>();
    const scene: Scene = newScene(
      context,
      folderSnapshots(() => scene.path("source"), existing),
    );
    const { execute, repository, path } = scene;
    await execute(backupTask(repository, [path("source")], { snapshot: true }), "write");
    assert.equal(existing.size, 0);

    const copies = await execute({ ...repository.common(), kind: "copies" }, "read");
    const [copy] = copyIdsOf(copies);
    const target = path("target");
    const restore: AgentTask = {
      ...repository.common(),
      kind: "restore",
      copy: copy ?? "",
      target,
      include: [],
      existing: "skip",
    };
    await execute(restore, "read");
    assert.equal(readFileSync(join(target, path("source"), "notes/one.txt"), "utf8"), "first");
  });

  test("removes the snapshot also when it fails", async (context) => {
    const existing = new Set<string>();
    const system = folderSnapshots(() => scene.path("source"), existing);
    const broken: SnapshotSystem = {
      ...system,
      create: async (...given) => {
        await system.create(...given);
        throw new AppError("ERR_SNAPSHOT", "The second half of it failed.");
      },
    };
    const scene: Scene = newScene(context, broken);
    const task = backupTask(scene.repository, [scene.path("source")], { snapshot: true });
    await assert.rejects(scene.execute(task, "write"), { code: "ERR_SNAPSHOT" });
    assert.equal(existing.size, 0);
  });

  const hasNone = process.platform === "linux" ? false : "this system has snapshots";
  test("fails where the system has none, and says what to do", { skip: hasNone }, async (context) => {
    const { execute, repository, path } = newScene(context);
    const task = backupTask(repository, [path("source")], { snapshot: true });
    await assert.rejects(execute(task, "write"), { code: "ERR_UNSUPPORTED", remedy: /LVM, Btrfs or ZFS/u });
  });
});

function copyIdsOf(result: unknown): readonly string[] {
  assert.ok(typeof result === "object" && result !== null && "copies" in result);
  assert.ok(Array.isArray(result.copies));
  return result.copies.map((copy: unknown) => {
    assert.ok(typeof copy === "object" && copy !== null && "id" in copy && typeof copy.id === "string");
    return copy.id;
  });
}
