/**
 * Small repositories for tests, written in process by the real session, sealer and tree writer.
 *
 * Not a backup: content comes from memory, and large files are cut at fixed places, so that a test knows where.
 *
 * @module
 */
import assert from "node:assert/strict";
import { SUITE_NONE, SUITES, type Suite, suiteFor } from "@holdfast/crypto";
import { systemClock, systemRandomness } from "@holdfast/kernel";
import { MemoryStorage, type Storage } from "@holdfast/storage";
import { groupOf } from "../src/copies/manifest.ts";
import type { Capability } from "../src/keys/key-set.ts";
import type { SlotKey } from "../src/keys/slot.ts";
import { DIRECTORY_ENTRY_BYTES, PACK_KINDS } from "../src/packs/pack-format.ts";
import { writeDirectoryEntry } from "../src/packs/directory-entry.ts";
import { newPackRegion, PackBuilder } from "../src/packs/pack-builder.ts";
import { RECORD_TYPES } from "../src/packs/record-header.ts";
import { bundleId } from "../src/packs/record-id.ts";
import { FRAME_BYTES_FILES, type RecordSealer } from "../src/packs/record-sealer.ts";
import {
  createRepository,
  openRepository,
  recoveryPublicKey,
  type Repository,
  type RepositoryPorts,
} from "../src/repository.ts";
import { MetadataPacks } from "../src/sessions/metadata-packs.ts";
import { WriteSession } from "../src/sessions/write-session.ts";
import { ContentListBuilder } from "../src/tree/content-list-builder.ts";
import type { Content } from "../src/tree/content.ts";
import {
  type DirectoryEntry,
  ENTRY_LIMITS,
  type Entry,
  type HardLink,
  type Xattr,
} from "../src/tree/entry.ts";
import { EntryBatchBuilder } from "../src/tree/entry-batch.ts";
import { compareKeys } from "../src/tree/order.ts";
import { keyOf } from "../src/tree/paths.ts";
import type { RecordSink } from "../src/tree/records.ts";
import { TreeWriter } from "../src/tree/tree-writer.ts";

export { type RawRecord, writeRawCopy } from "./fixture-raw-copy.ts";

export const GCM_HIGH: Suite = suiteFor("gcm", "high");
export const CBC_LOW: Suite = suiteFor("cbc", "low");
export const ALL_SUITES: readonly Suite[] = SUITES;

/** Opens the repositories that {@link newRepository} makes. */
export const FIXTURE_KEY: SlotKey = { kind: "recovery", seed: Buffer.alloc(32, 7) };

/** A stretch of a file: bytes, or so many bytes of a hole or of allocated zeros. */
export type FixturePart = Uint8Array | { readonly hole: number } | { readonly zero: number };

interface FixtureMetadata {
  /** Full path without a leading slash. Parents that are not given are made. */
  readonly path: string | Buffer;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly user?: string;
  readonly group?: string;
  readonly mtimeSeconds?: bigint;
  readonly mtimeNanoseconds?: number;
  readonly xattrs?: readonly Xattr[];
  readonly link?: HardLink;
  readonly changedWhileRead?: boolean;
}

export type FixtureEntry = FixtureMetadata &
  (
    | { readonly kind: "file"; readonly content: Uint8Array | readonly FixturePart[] }
    | { readonly kind: "directory" | "fifo" | "socket" }
    | { readonly kind: "symlink"; readonly target: string | Buffer }
    | { readonly kind: "char" | "block"; readonly major: number; readonly minor: number }
  );

export interface FixtureCopyOptions {
  readonly host?: string;
  readonly name?: string;
  readonly paths?: readonly string[];
  readonly tags?: readonly string[];
  /** Wall time of the copy; default: now, and later than every one before. */
  readonly timeMs?: number;
  /** Larger files are cut into chunks of so many bytes. */
  readonly chunkBytes?: number;
  /** Files up to this length share bundles. */
  readonly bundledBytesMax?: number;
  /** A bundle is sealed once it has so many bytes. */
  readonly bundleBytes?: number;
  /** Writes every chunk, also those that the repository has already. */
  readonly withoutDeduplication?: boolean;
  /** A pack is completed once its records have so many bytes; default: at the end. */
  readonly packBytes?: number;
  /** Memory for packs; it must be enough for one of `packBytes` and another record. */
  readonly packBytesAim?: number;
  /** More index segments are merged. */
  readonly segmentsMax?: number;
}

export interface FixtureRepository {
  readonly storage: Storage;
  readonly ports: RepositoryPorts;
  /** Opened with every capability. */
  readonly repository: Repository;
  open(capabilities: readonly Capability[]): Promise<Repository>;
}

/** What tests use for the ports that have nothing to do with their subject. */
export function fixturePorts(storage: Storage, cacheDir?: string): RepositoryPorts {
  return {
    storage,
    clock: systemClock,
    randomness: systemRandomness,
    process: { host: "fixture", bootId: "", processId: process.pid, startTime: "" },
    hasEnded: () => false,
    ...(cacheDir === undefined ? {} : { cacheDir }),
  };
}

/** A new repository, in memory unless a storage is given. */
export async function newRepository(
  suite: Suite = GCM_HIGH,
  storage: Storage = new MemoryStorage(),
): Promise<FixtureRepository> {
  const ports = fixturePorts(storage);
  const encrypted = suite !== SUITE_NONE;
  assert(FIXTURE_KEY.kind === "recovery");
  const target = { kind: "recovery", publicKey: recoveryPublicKey(FIXTURE_KEY.seed) } as const;
  await createRepository(ports, encrypted ? { suite, slot: { target, label: "fixture" } } : { suite });
  const open = (capabilities: readonly Capability[]): Promise<Repository> =>
    openRepository(ports, encrypted ? FIXTURE_KEY : undefined, capabilities);
  return { storage, ports, repository: await open(["write", "maintain", "read"]), open };
}

/** Writes one copy and returns its id. Entries may come in any order. */
export async function writeCopy(
  repository: Repository,
  entries: readonly FixtureEntry[],
  options: FixtureCopyOptions = {},
): Promise<string> {
  const { segmentsMax } = options;
  const session = await WriteSession.begin(repository, {
    compressionLevel: 3,
    ...(segmentsMax === undefined ? {} : { segmentsMax }),
  });
  try {
    return await new FixtureCopy(session, options).write(entries);
  } catch (error) {
    await session.abandon();
    throw error;
  }
}

const CHUNK_BYTES = 256 * 1024;
const BUNDLED_BYTES_MAX = 128 * 1024;
const BUNDLE_BYTES = 1024 * 1024;

interface BundleMember {
  readonly id: Buffer;
  readonly bytes: Uint8Array;
}

class FixtureCopy {
  readonly #session: WriteSession;
  readonly #options: FixtureCopyOptions;
  readonly #sealer: RecordSealer;
  readonly #metadata: MetadataPacks;
  readonly #builder: PackBuilder;
  readonly #own = new Set<string>();
  readonly #members: BundleMember[] = [];
  #storing: Promise<void> = Promise.resolve();
  #isOpen = false;
  #counter = 0;
  #bytesAdded = 0;

  constructor(session: WriteSession, options: FixtureCopyOptions) {
    this.#session = session;
    this.#options = options;
    this.#sealer = session.newSealer(() => this.#counter++);
    const { repository, tableKey } = session.repository.keys;
    const owner = { repository, tableKey };
    this.#builder = new PackBuilder(newPackRegion(options.packBytesAim), owner);
    this.#metadata = new MetadataPacks({
      owner,
      envelope: session.key.envelope,
      sealer: this.#sealer,
      store: (pack) => session.storePack(pack),
      ...(options.packBytesAim === undefined ? {} : { packBytesAim: options.packBytesAim }),
    });
  }

  async write(entries: readonly FixtureEntry[]): Promise<string> {
    const { idOf } = this.#session;
    const tree = new TreeWriter(this.#sink, idOf);
    const batch = new EntryBatchBuilder();
    const counts = { files: 0, directories: 0, others: 0 };
    for (const fixture of withParents(entries)) {
      const key = keyOf(Buffer.from(fixture.path));
      assert(key !== undefined);
      const entry = await this.#entry(fixture, key.name);
      if (entry.kind === "file") counts.files += 1;
      else if (entry.kind === "directory") counts.directories += 1;
      else counts.others += 1;
      batch.add(entry);
      tree.append(key.directory, batch.finish());
    }
    this.#sealBundle();
    await this.#closePack(true);
    const root = tree.finish();
    await this.#metadata.finish();
    return this.#commit(root, counts);
  }

  readonly #sink: RecordSink = {
    has: (id) => this.#has(id),
    store: (type, id, plaintext, refs) => {
      this.#own.add(id.toString("hex"));
      this.#bytesAdded += plaintext.length;
      this.#metadata.append(type, id, plaintext, refs);
    },
  };

  #has(id: Buffer): boolean {
    if (this.#own.has(id.toString("hex"))) return true;
    return this.#options.withoutDeduplication !== true && this.#session.index.has(id);
  }

  async #commit(
    root: { readonly type: number; readonly id: Buffer; readonly entries: number; readonly bytes: number },
    counts: { readonly files: number; readonly directories: number; readonly others: number },
  ): Promise<string> {
    const { host = "host", name = "", tags = [], paths = ["/srv"] } = this.#options;
    const rawPaths = paths.map((path) => Buffer.from(path));
    const { tableKey } = this.#session.repository.keys;
    const timeMs = this.#options.timeMs ?? nextTimeMs();
    return this.#session.commit(
      { kind: "files", timeMs, group: groupOf(tableKey, host, rawPaths), root, bytesAdded: this.#bytesAdded },
      { host, name, paths: rawPaths, tags, program: "fixture", startedMs: timeMs, ...counts, warnings: 0 },
    );
  }

  async #entry(fixture: FixtureEntry, name: Buffer): Promise<Entry> {
    const base = baseOf(fixture, name);
    switch (fixture.kind) {
      case "file":
        return { ...base, kind: "file", ...(await this.#content(fixture.content)) };
      case "symlink":
        return { ...base, kind: "symlink", target: Buffer.from(fixture.target) };
      case "char":
      case "block":
        return { ...base, kind: fixture.kind, major: fixture.major, minor: fixture.minor };
      case "fifo":
      case "socket":
        return { ...base, kind: fixture.kind };
      case "directory":
        break;
    }
    return { ...base, kind: "directory" };
  }

  async #content(
    content: Uint8Array | readonly FixturePart[],
  ): Promise<{ readonly size: number; readonly content: Content }> {
    if (content instanceof Uint8Array && content.length <= ENTRY_LIMITS.inlineBytes) {
      const { length: size } = content;
      return {
        size,
        content: size === 0 ? { form: "empty" } : { form: "inline", bytes: Buffer.from(content) },
      };
    }
    const list = new ContentListBuilder(this.#sink, this.#session.idOf);
    for (const part of content instanceof Uint8Array ? [content] : content) {
      if (part instanceof Uint8Array) await this.#pushBytes(list, part);
      else if ("hole" in part) list.push({ kind: "hole", length: part.hole });
      else list.push({ kind: "zero", length: part.zero });
    }
    const { size } = list;
    return { size, content: list.finish() };
  }

  async #pushBytes(list: ContentListBuilder, bytes: Uint8Array): Promise<void> {
    const { chunkBytes = CHUNK_BYTES, bundledBytesMax = BUNDLED_BYTES_MAX } = this.#options;
    if (bytes.length <= bundledBytesMax) {
      list.push({ kind: "data", length: bytes.length, id: await this.#bundled(bytes) });
      return;
    }
    for (let at = 0; at < bytes.length; at += chunkBytes) {
      const chunk = bytes.subarray(at, at + chunkBytes);
      list.push({ kind: "data", length: chunk.length, id: await this.#chunk(chunk) });
    }
  }

  async #chunk(bytes: Uint8Array): Promise<Buffer> {
    const id = this.#session.idOf(RECORD_TYPES.chunk, bytes);
    if (!this.#claim(id, bytes)) return id;
    this.#append(RECORD_TYPES.chunk, id, bytes, [{ id, bytes }]);
    await this.#closeFullPack();
    return id;
  }

  async #bundled(bytes: Uint8Array): Promise<Buffer> {
    const id = this.#session.idOf(RECORD_TYPES.chunk, bytes);
    if (!this.#claim(id, bytes)) return id;
    this.#members.push({ id, bytes });
    const length = this.#members.reduce((sum, member) => sum + member.bytes.length, 0);
    if (length >= (this.#options.bundleBytes ?? BUNDLE_BYTES)) {
      this.#sealBundle();
      await this.#closeFullPack();
    }
    return id;
  }

  #claim(id: Buffer, bytes: Uint8Array): boolean {
    if (this.#has(id)) return false;
    this.#own.add(id.toString("hex"));
    this.#bytesAdded += bytes.length;
    return true;
  }

  #sealBundle(): void {
    if (this.#members.length === 0) return;
    const plaintext = Buffer.concat(this.#members.map(({ bytes }) => bytes));
    const id = bundleId(this.#session.idOf, Buffer.concat(this.#members.map((member) => member.id)));
    this.#append(RECORD_TYPES.bundle, id, plaintext, this.#members);
    this.#members.length = 0;
  }

  #append(type: number, id: Buffer, plaintext: Uint8Array, members: readonly BundleMember[]): void {
    const record = this.#sealer.seal({ type, id, plaintext, frameSize: FRAME_BYTES_FILES });
    const directory = Buffer.alloc(members.length * DIRECTORY_ENTRY_BYTES);
    let chunkOffset = 0;
    for (const [index, member] of members.entries()) {
      const { length } = member.bytes;
      writeDirectoryEntry(directory, index * DIRECTORY_ENTRY_BYTES, {
        id: member.id,
        type,
        chunkOffset,
        length,
      });
      chunkOffset += length;
    }
    if (!this.#isOpen) this.#builder.begin(PACK_KINDS.data, [this.#session.key.envelope]);
    this.#isOpen = true;
    assert(
      this.#builder.fits(record.body.length, members.length),
      "a fixture has at most one pack at a time",
    );
    this.#builder.append(record, directory);
  }

  /** Leaves room for another record of any size that a fixture writes. */
  async #closeFullPack(): Promise<void> {
    const max = this.#options.packBytes ?? 24 * 1024 * 1024;
    if (this.#isOpen && this.#builder.recordBytes >= max) await this.#closePack(false);
  }

  async #closePack(last: boolean): Promise<void> {
    await this.#storing;
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#storing = this.#session.storePack(this.#builder.finish(last));
    await this.#storing;
  }
}

function baseOf(fixture: FixtureEntry, name: Buffer): Omit<DirectoryEntry, "kind"> {
  const { link, xattrs = [], changedWhileRead = false } = fixture;
  const { mode = fixture.kind === "directory" ? 0o755 : 0o644, uid = 0, gid = 0 } = fixture;
  const { user = "root", group = "root" } = fixture;
  const { mtimeSeconds = 1_700_000_000n, mtimeNanoseconds = 123_456_789 } = fixture;
  return {
    name,
    mode,
    uid,
    gid,
    user,
    group,
    mtimeSeconds,
    mtimeNanoseconds,
    xattrs,
    link,
    changedWhileRead,
  };
}

let lastTimeMs = 0;

function nextTimeMs(): number {
  lastTimeMs = Math.max(Date.now(), lastTimeMs + 1);
  return lastTimeMs;
}

/** All entries in the order of the tree, with the directories above them. */
function withParents(entries: readonly FixtureEntry[]): FixtureEntry[] {
  const all = new Map<string, FixtureEntry>();
  for (const entry of entries) {
    const path = Buffer.from(entry.path);
    all.set(path.toString("latin1"), { ...entry, path });
  }
  for (const entry of entries) {
    let key = keyOf(Buffer.from(entry.path));
    while (key !== undefined && key.directory.length > 0) {
      const text = key.directory.toString("latin1");
      if (!all.has(text)) all.set(text, { kind: "directory", path: key.directory });
      key = keyOf(key.directory);
    }
  }
  return [...all.values()].toSorted((one, other) => {
    const [left, right] = [keyOf(Buffer.from(one.path)), keyOf(Buffer.from(other.path))];
    assert(left !== undefined && right !== undefined);
    return compareKeys(left, right);
  });
}
