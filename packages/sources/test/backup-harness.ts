/**
 * Backups for tests: a scratch folder with source, repository and cache, and an independent comparison of a copy with its
 * source, by `node:fs` alone.
 *
 * @module
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import fs from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { Suite } from "@holdfast/crypto";
import {
  type Copy,
  type Entry,
  joinPath,
  openCopyReader,
  readSegments,
  walkSections,
} from "@holdfast/repository";
import {
  fixturePorts,
  type FixtureRepository,
  GCM_HIGH,
  newRepository,
} from "@holdfast/repository/fixture-writer";
import { type Clock, systemClock } from "@holdfast/kernel";
import { MemoryStorage, type Storage } from "@holdfast/storage";
import { backupFiles } from "../src/files-backup/backup-files.ts";
import type { BackupRequest, BackupResult, BackupWarning } from "../src/files-backup/request.ts";
import { createSelection } from "../src/selection/selection.ts";

export interface ReadEntry {
  readonly entry: Entry;
  /** SHA-256 of a file's content. */
  readonly digest: string | undefined;
}

export interface Bench {
  readonly folder: string;
  /** A folder to fill. */
  readonly source: string;
  readonly storage: Storage;
  readonly fixture: FixtureRepository;
  backup(request?: Partial<BackupRequest>): Promise<Done>;
  /** Everything in a copy, by path without a slash in front. */
  read(copyId: string | undefined): Promise<ReadonlyMap<string, ReadEntry>>;
  copies(): Promise<readonly Copy[]>;
  /** Reads the newest copy back and compares it with the source as it is now. */
  check(copyId: string | undefined): Promise<void>;
}

export interface Done extends BackupResult {
  readonly said: readonly BackupWarning[];
}

export interface BenchOptions {
  readonly suite?: Suite;
  readonly storage?: Storage;
  readonly withoutCache?: boolean;
  /** Of the backups. */
  readonly clock?: Clock;
}

/** An old time: files that changed just now are never taken for unchanged. */
export const LONG_AGO = new Date("2020-02-02T02:02:02Z");

export async function newBench(context: TestContext, options: BenchOptions = {}): Promise<Bench> {
  const folder = await mkdtemp(join(tmpdir(), "holdfast-backup-test-"));
  context.after(() => rm(folder, { recursive: true, force: true }));
  const source = join(folder, "source");
  fs.mkdirSync(source);
  const storage = options.storage ?? new MemoryStorage();
  const fixture = await newRepository(options.suite ?? GCM_HIGH, storage);
  const cacheDir = join(folder, "cache");
  const cache = options.withoutCache === true ? undefined : cacheDir;
  const read = (copyId: string | undefined): Promise<ReadonlyMap<string, ReadEntry>> =>
    readCopy(fixture, copyId);
  return {
    folder,
    source,
    storage,
    fixture,
    read,
    backup: async (request = {}) => {
      const ports = { ...fixturePorts(storage, cache), clock: options.clock ?? systemClock };
      const repository = { ...(await fixture.open(["write"])), ports };
      const said: BackupWarning[] = [];
      const paths = request.paths ?? [Buffer.from(source)];
      const result = await backupFiles(repository, {
        selection: createSelection({ roots: paths }),
        oneFileSystem: false,
        host: "test",
        tags: [],
        program: "test",
        compressionLevel: 3,
        workers: 2,
        onWarning: (warning) => said.push(warning),
        ...request,
        paths,
      });
      return { ...result, said };
    },
    copies: async () => {
      using reader = await openCopyReader(fixture.repository);
      return (await reader.listCopies()).copies;
    },
    check: async (copyId) => {
      compare(await read(copyId), source);
    },
  };
}

async function readCopy(
  fixture: FixtureRepository,
  copyId: string | undefined,
): Promise<ReadonlyMap<string, ReadEntry>> {
  assert(copyId !== undefined);
  using reader = await openCopyReader(fixture.repository);
  const copy = (await reader.listCopies()).copies.find(({ id }) => id === copyId);
  assert(copy !== undefined, "the copy is not listed");
  const found = new Map<string, ReadEntry>();
  let count = 0;
  for await (const { directory, entries } of walkSections(reader.readRecord, copy.table.root)) {
    for (const entry of entries) {
      count += 1;
      const digest = entry.kind === "file" ? await digestOf(entry, reader) : undefined;
      found.set(joinPath(directory, entry.name).toString("latin1"), { entry, digest });
    }
  }
  assert.equal(count, copy.table.root.entries);
  assert.equal(found.size, count);
  return found;
}

async function digestOf(
  entry: Extract<Entry, { kind: "file" }>,
  reader: Awaited<ReturnType<typeof openCopyReader>>,
): Promise<string> {
  const hash = createHash("sha256");
  const { content, size } = entry;
  if (content.form === "inline") hash.update(content.bytes);
  if (content.form === "segments" || content.form === "list") {
    let offset = 0;
    for await (const placed of readSegments({ size, content }, reader.readRecord)) {
      const { segment } = placed;
      assert.equal(placed.offset, offset);
      offset += segment.length;
      if (segment.kind === "data") hash.update(await reader.readChunk(segment.id));
      else
        for (let left = segment.length; left > 0; left -= ZEROS.length) hash.update(ZEROS.subarray(0, left));
    }
    assert.equal(offset, size);
  }
  return hash.digest("hex");
}

const ZEROS = Buffer.alloc(1024 * 1024);

/** Compares everything below `root`, and the folders that lead to it. */
export function compare(copy: ReadonlyMap<string, ReadEntry>, root: string): void {
  const expected = new Set<string>();
  const components = root.split("/").slice(1);
  for (let depth = 1; depth <= components.length; depth += 1) {
    const path = components.slice(0, depth).join("/");
    expected.add(path);
    const absolute = Buffer.from(`/${path}`, "latin1");
    if (depth === components.length) compareEntry(copy.get(path), absolute, path);
    else compareParent(copy.get(path), absolute, path);
  }
  compareFolder(copy, root.slice(1), expected);
  assert.deepEqual(
    [...copy.keys()].filter((path) => !expected.has(path)),
    [],
    "the copy holds more than the source",
  );
}

function compareFolder(copy: ReadonlyMap<string, ReadEntry>, folder: string, expected: Set<string>): void {
  const entries = fs.readdirSync(Buffer.from(`/${folder}`, "latin1"), { encoding: "buffer" });
  for (const name of entries) {
    const path = `${folder}/${name.toString("latin1")}`;
    expected.add(path);
    const absolute = Buffer.from(`/${path}`, "latin1");
    compareEntry(copy.get(path), absolute, path);
    if (fs.lstatSync(absolute).isDirectory()) compareFolder(copy, path, expected);
  }
}

/** Other programs write to the folder for temporary files meanwhile, so that its time does not stand still. */
function compareParent(read: ReadEntry | undefined, absolute: Buffer, path: string): void {
  assert(read !== undefined, `${path} is missing`);
  const stats = fs.statSync(absolute);
  const { kind, mode, uid, gid } = read.entry;
  assert.deepEqual([kind, mode, uid, gid], ["directory", stats.mode & 0o7777, stats.uid, stats.gid], path);
}

function compareEntry(read: ReadEntry | undefined, absolute: Buffer, path: string): void {
  assert(read !== undefined, `${path} is missing`);
  const { entry, digest } = read;
  const stats = fs.lstatSync(absolute, { bigint: true });
  const kind = stats.isFile()
    ? "file"
    : stats.isDirectory()
      ? "directory"
      : stats.isSymbolicLink()
        ? "symlink"
        : stats.isFIFO()
          ? "fifo"
          : stats.isSocket()
            ? "socket"
            : stats.isCharacterDevice()
              ? "char"
              : "block";
  assert.equal(entry.kind, kind, path);
  const mtimeNs = entry.mtimeSeconds * 1_000_000_000n + BigInt(entry.mtimeNanoseconds);
  assert.deepEqual(
    [entry.mode, entry.uid, entry.gid, mtimeNs],
    [Number(stats.mode & 0o7777n), Number(stats.uid), Number(stats.gid), stats.mtimeNs],
    path,
  );
  if (entry.kind === "symlink") assert.deepEqual(entry.target, fs.readlinkSync(absolute, "buffer"), path);
  if (entry.kind !== "file") return;
  assert.equal(BigInt(entry.size), stats.size, path);
  assert.equal(digest, createHash("sha256").update(fs.readFileSync(absolute)).digest("hex"), path);
  assert.equal(entry.link !== undefined, stats.nlink > 1n, path);
  if (entry.link !== undefined) assert.equal(entry.link.inode, stats.ino, path);
}

/** Sets times of everything below `folder` to long ago, as far as the system allows: the change time stays. */
export function makeOld(folder: string): void {
  for (const name of fs.readdirSync(folder)) {
    const path = join(folder, name);
    if (fs.lstatSync(path).isDirectory()) makeOld(path);
    fs.lutimesSync(path, LONG_AGO, LONG_AGO);
  }
}
