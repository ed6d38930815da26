/** What the tests of forgetting, cleaning and replicating share. */
import assert from "node:assert/strict";
import { type ErrorCode, isAppError } from "@holdfast/kernel";
import type { Storage } from "@holdfast/storage";
import { listCopies } from "../src/copies/copies.ts";
import { readPackDirectory } from "../src/packs/read-directory.ts";
import type { Repository } from "../src/repository.ts";
import type { FixtureEntry } from "./fixture-writer.ts";
import { type CopyContents, readCopies } from "./read-copy.ts";

export const SMALL_PACKS = {
  chunkBytes: 16_384,
  bundledBytesMax: 4096,
  bundleBytes: 8192,
  packBytesAim: 262_144,
} as const;

export function file(path: string, content: Buffer): FixtureEntry {
  return { kind: "file", path, content };
}

export function refusedWith(code: ErrorCode): (error: unknown) => boolean {
  return (error) => isAppError(error, code);
}

export async function namesOf(storage: Storage, prefix: string): Promise<string[]> {
  return (await Array.fromAsync(storage.list(prefix))).map(({ name }) => name).toSorted();
}

/** The contents of every copy, by id. */
export async function contentsOf(repository: Repository): Promise<Map<string, CopyContents>> {
  const { copies, damaged } = await listCopies(repository.ports.storage, repository.keys);
  assert.deepEqual(damaged, []);
  return readCopies(repository, copies);
}

/** The first pack of a kind. */
export async function packOfKind(repository: Repository, kind: number): Promise<string> {
  const { storage } = repository.ports;
  for await (const { name, size } of storage.list("packs/")) {
    if ((await readPackDirectory(storage, repository.keys, name, size)).kind === kind) return name;
  }
  throw new Error("there is no such pack");
}

/** Puts other bytes in the place of an object. */
export async function replaceObject(storage: Storage, name: string, bytes: Buffer): Promise<void> {
  await storage.delete(name);
  await storage.put(name, bytes);
}
