/** A scripted service, an agent that runs against it, and a repository with the keys that leases hold. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { type Suite, suiteFor } from "@holdfast/crypto";
import { newId, systemClock, systemRandomness } from "@holdfast/kernel";
import {
  type AgentTask,
  type LeasePayload,
  type RepositoryRef,
  type RunEvent,
  type TaskKind,
  type TaskOf,
  type TaskResult,
  taskResults,
} from "@holdfast/protocol";
import type { z } from "zod";
import { type Capability, deriveKeySet, prepareRepository } from "@holdfast/repository";
import { type AgentOptions, enroll, runAgent } from "../src/index.ts";
import { newAuthority } from "./authority.ts";
import { ScriptedService, type ServiceScript } from "./scripted-service.ts";

export interface Bench {
  readonly folder: string;
  readonly path: (name: string) => string;
  readonly service: ScriptedService;
  readonly stateDir: string;
  /** Enrolls, and runs the agent until the test ends or {@link stop} is called. */
  readonly run: (options?: Partial<AgentOptions>) => Promise<void>;
  readonly stop: () => Promise<void>;
  readonly log: string[];
}

export async function newBench(context: TestContext, script: Partial<ServiceScript> = {}): Promise<Bench> {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-agent-"));
  const service = new ScriptedService({ authority: await newAuthority(), ...script });
  await service.listen();
  const ending = new AbortController();
  const log: string[] = [];
  let running: Promise<void> = Promise.resolve();
  const stateDir = join(folder, "state");
  context.after(async () => {
    ending.abort();
    await running.catch(() => undefined);
    await service.close();
    rmSync(folder, { recursive: true, force: true });
  });
  return {
    folder,
    path: (name) => join(folder, name),
    service,
    stateDir,
    log,
    run: async (options = {}) => {
      await enroll({ service: service.url, code: service.newCode(), stateDir, environment: {} });
      running = runAgent({
        stateDir,
        signal: ending.signal,
        environment: {},
        log: (level, text) => log.push(`${level}: ${text}`),
        ...options,
      });
      running.catch(() => undefined);
      await service.until(() => service.seen("hello").length > 0);
    },
    stop: async () => {
      ending.abort();
      await running;
    },
  };
}

export interface TestRepository {
  readonly ref: RepositoryRef;
  readonly payload: (capability?: Capability) => LeasePayload;
  readonly rootSecret: Buffer;
  /** A task of this repository, without the fields of its kind. */
  readonly common: () => { readonly id: string; readonly repository: RepositoryRef };
}

const PASSPHRASE = Buffer.from("correct horse");

/** As the service makes one. */
export function newRepository(location: string, cipher: Suite = suiteFor("cbc", "normal")): TestRepository {
  const parameters = { memoryKiB: 8192, passes: 1, lanes: 1 };
  const ports = { clock: systemClock, randomness: systemRandomness };
  const slots = [
    { target: { kind: "passphrase", passphrase: PASSPHRASE, parameters }, label: "key" } as const,
  ];
  const { config, rootSecret, objects } = prepareRepository(
    ports,
    cipher,
    cipher.method === null ? [] : slots,
  );
  const ref: RepositoryRef = {
    id: config.repository.toString("hex"),
    storage: { id: newId("sto"), name: "Test storage", location },
    suite: cipher.code,
    prepared: objects.map(({ name, bytes }) => ({ name, bytes: bytes.toString("base64") })),
  };
  return {
    ref,
    rootSecret,
    common: () => ({ id: newId("task"), repository: ref }),
    payload: (capability) => {
      const storages = { [ref.storage.id]: {} };
      if (capability === undefined) return { storages };
      const keys = deriveKeySet(rootSecret, config.repository, [capability]);
      const text = (key: Buffer | undefined): string | undefined => key?.toString("base64");
      const repository = {
        repository: ref.id,
        tableKey: keys.tableKey.toString("base64"),
        idKey: text(keys.idKey),
        chunkerKey: text(keys.chunkerKey),
        publicKey: text(keys.publicKey),
        privateSeed: text(keys.privateSeed),
      };
      return { storages, repository };
    },
  };
}

export function backupTask(
  repository: TestRepository,
  paths: string[],
  more: Partial<TaskOf<"backup">> = {},
): AgentTask {
  return {
    ...repository.common(),
    kind: "backup",
    plan: { id: newId("plan"), name: "Nightly" },
    paths,
    exclude: [],
    oneFileSystem: false,
    snapshot: false,
    tags: ["daily"],
    compression: 3,
    ...more,
  };
}

/** A small tree with a file of some megabytes. */
export function writeTree(folder: string, bytes = 3_000_000): void {
  mkdirSync(join(folder, "notes"), { recursive: true });
  writeFileSync(join(folder, "notes/one.txt"), "first");
  writeFileSync(join(folder, "notes/two.txt"), "second");
  const data = Buffer.alloc(bytes);
  for (let at = 0; at + 4 <= bytes; at += 4) data.writeUInt32LE((at * 2_654_435_761) >>> 0, at);
  writeFileSync(join(folder, "large.bin"), data);
}

const RESULTS: { readonly [K in TaskKind]: z.ZodType<TaskResult<K>> } = taskResults;

/** What a run that succeeded answered, as the schema of its kind has it. */
export function resultOf<K extends TaskKind>(kind: K, end: RunEvent): TaskResult<K> {
  assert.ok(end.kind === "succeeded", JSON.stringify(end));
  return RESULTS[kind].parse(end.result);
}
