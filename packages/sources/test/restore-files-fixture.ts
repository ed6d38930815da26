/** What the tests of restores share: repositories in folders, restoring, looking at the result. */
import { createHash } from "node:crypto";
import fs from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { type Copy, openCopyReader, type Repository, resolveCopy } from "@holdfast/repository";
import { GCM_HIGH, newRepository } from "@holdfast/repository/fixture-writer";
import { openLocalStorage, type Storage } from "@holdfast/storage";
import {
  type RestoreNotice,
  type RestoreRequest,
  type RestoreSummary,
  restoreFiles,
} from "../src/files-restore/index.ts";

export async function scratchFolder(context: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "holdfast-restore-test-"));
  context.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

export interface LocalRepository {
  readonly repository: Repository;
  readonly storage: Storage;
  /** Holds the repository, and has room for what is restored. */
  readonly folder: string;
}

export async function localRepository(
  context: TestContext,
  cipherSuite = GCM_HIGH,
): Promise<LocalRepository> {
  const folder = await scratchFolder(context);
  const storage = await openLocalStorage(join(folder, "repository"), { create: true });
  const { repository } = await newRepository(cipherSuite, storage);
  return { repository, storage, folder };
}

export async function copyOf(repository: Repository, id: string): Promise<Copy> {
  using reader = await openCopyReader(repository);
  return resolveCopy(await reader.listCopies(), id);
}

export interface Restored {
  readonly summary: RestoreSummary;
  readonly notices: readonly RestoreNotice[];
}

export async function restore(
  repository: Repository,
  id: string,
  target: string,
  request: Partial<RestoreRequest> = {},
): Promise<Restored> {
  const notices: RestoreNotice[] = [];
  const copy = await copyOf(repository, id);
  const summary = await restoreFiles(repository, {
    copy,
    target,
    existing: "skip",
    onWarning: (notice) => notices.push(notice),
    ...request,
  });
  return { summary, notices };
}

export function digest(path: string | Buffer): string {
  return createHash("sha256").update(fs.readFileSync(path)).digest("hex");
}

export function digestOf(...parts: readonly Uint8Array[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest("hex");
}

/** Every path below a folder that is no folder itself, sorted. */
export function filesBelow(folder: string): string[] {
  return fs
    .readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .toSorted();
}

export async function packNames(storage: Storage): Promise<string[]> {
  return (await Array.fromAsync(storage.list("packs/"))).map(({ name }) => name);
}

export async function replaceObject(storage: Storage, name: string, bytes: Uint8Array): Promise<void> {
  await storage.delete(name);
  await storage.put(name, bytes);
}

/** Changes one bit of an object. */
export async function flip(storage: Storage, name: string, at: number): Promise<void> {
  const bytes = await storage.get(name);
  bytes.writeUInt8(bytes.readUInt8(at) ^ 0x04, at);
  await replaceObject(storage, name, bytes);
}
