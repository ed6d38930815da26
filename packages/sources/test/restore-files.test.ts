/** Restoring files: every kind of entry byte by byte, policies, and what is damaged. */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import fs from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test, type TestContext } from "node:test";
import {
  listCopies,
  RecordDecoder,
  type Repository,
  resolveCopy,
  withDetails,
  type Copy,
} from "@holdfast/repository";
import {
  CBC_LOW,
  type FixtureEntry,
  GCM_HIGH,
  newRepository,
  writeCopy,
} from "@holdfast/repository/fixture-writer";
import { openLocalStorage, type Storage } from "@holdfast/storage";
import { type RestoreNotice, type RestoreRequest, restoreFiles } from "../src/files-restore/index.ts";

async function scratch(context: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "holdfast-restore-test-"));
  context.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function copyOf(repository: Repository, id: string): Promise<Copy> {
  const decoder = new RecordDecoder(repository.keys);
  const list = await listCopies(repository.ports.storage, repository.keys);
  return resolveCopy(withDetails(list, repository.keys, decoder.keyring), id);
}

interface Restored {
  readonly summary: Awaited<ReturnType<typeof restoreFiles>>;
  readonly notices: readonly RestoreNotice[];
}

async function restore(
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

const SPARSE = { hole: 3 * 1024 * 1024, data: randomBytes(100_000), zero: 200_000 };
const LARGE = randomBytes(9 * 1024 * 1024 + 17);

const ENTRIES: readonly FixtureEntry[] = [
  { kind: "directory", path: "srv", mode: 0o750, mtimeSeconds: 1_600_000_000n },
  { kind: "directory", path: "srv/empty", mode: 0o1777 },
  { kind: "file", path: "srv/none", content: Buffer.alloc(0) },
  { kind: "file", path: "srv/inline", content: Buffer.from("a few bytes"), mode: 0o640, mtimeNanoseconds: 7 },
  { kind: "file", path: "srv/bundled", content: randomBytes(50_000), mode: 0o600 },
  { kind: "file", path: "srv/chunked", content: randomBytes(700_000) },
  { kind: "file", path: "srv/large", content: LARGE },
  { kind: "file", path: "srv/sparse", content: [{ hole: SPARSE.hole }, SPARSE.data, { zero: SPARSE.zero }] },
  { kind: "file", path: "srv/large sparse", content: [LARGE, { hole: 64 * 1024 * 1024 }, { zero: 70_000 }] },
  { kind: "file", path: "srv/linked a", content: Buffer.alloc(5000, 1), link: { device: 1n, inode: 5n } },
  { kind: "file", path: "srv/sub/linked b", content: Buffer.alloc(5000, 1), link: { device: 1n, inode: 5n } },
  { kind: "symlink", path: "srv/link", target: "../outside" },
  { kind: "fifo", path: "srv/pipe", mode: 0o622 },
  { kind: "file", path: Buffer.from([0x73, 0x72, 0x76, 0x2f, 0xff, 0x0a]), content: Buffer.from("odd name") },
];

async function localRepository(
  context: TestContext,
  cipherSuite = GCM_HIGH,
): Promise<{ repository: Repository; storage: Storage; folder: string }> {
  const folder = await scratch(context);
  const storage = await openLocalStorage(join(folder, "repository"), { create: true });
  const { repository } = await newRepository(cipherSuite, storage);
  return { repository, storage, folder };
}

function digest(path: string | Buffer): string {
  return createHash("sha256").update(fs.readFileSync(path)).digest("hex");
}

function digestOf(...parts: readonly Uint8Array[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest("hex");
}

function assertTree(target: string): void {
  const at = (path: string): string => join(target, "srv", path);
  for (const entry of ENTRIES) {
    if (entry.kind !== "file" || !(entry.content instanceof Uint8Array)) continue;
    const path = Buffer.concat([Buffer.from(`${target}/`), Buffer.from(entry.path)]);
    assert.equal(digest(path), digestOf(entry.content), String(entry.path));
  }
  assert.equal(
    digest(at("sparse")),
    digestOf(Buffer.alloc(SPARSE.hole), SPARSE.data, Buffer.alloc(SPARSE.zero)),
  );
  assert(fs.statSync(at("sparse")).blocks * 512 < SPARSE.hole, "the hole takes no space");
  const big = fs.statSync(at("large sparse"));
  assert.equal(big.size, LARGE.length + 64 * 1024 * 1024 + 70_000);
  assert(big.blocks * 512 < big.size - 32 * 1024 * 1024, "the hole takes no space");
  assert.equal(fs.statSync(at("linked a")).ino, fs.statSync(at("sub/linked b")).ino);
  assert.equal(fs.readlinkSync(at("link")), "../outside");
  assert(fs.lstatSync(at("pipe")).isFIFO());
  assert.equal(fs.statSync(target + "/srv").mode & 0o7777, 0o750);
  assert.equal(fs.statSync(at("empty")).mode & 0o7777, 0o1777);
  assert.equal(fs.statSync(at("inline")).mode & 0o7777, 0o640);
  assert.equal(fs.statSync(target + "/srv", { bigint: true }).mtimeNs, 1_600_000_000_123_456_789n);
  assert.equal(fs.statSync(at("inline"), { bigint: true }).mtimeNs, 1_700_000_000_000_000_007n);
}

for (const cipherSuite of [GCM_HIGH, CBC_LOW]) {
  suite(`restoring files, ${cipherSuite.name}`, () => {
    test("gives back every kind of entry from a folder", async (context) => {
      const { repository, folder } = await localRepository(context, cipherSuite);
      const id = await writeCopy(repository, ENTRIES);
      const { summary, notices } = await restore(repository, id, join(folder, "out"));
      assert.deepEqual(
        notices.filter(({ code }) => code !== "ERR_UNSUPPORTED"),
        [],
      );
      assertTree(join(folder, "out"));
      assert.equal(summary.damaged, 0);
      assert.equal(summary.files, ENTRIES.length - 2);
      assert.equal(summary.folders, 3);
    });

    test("gives back every kind of entry from a storage without files", async (context) => {
      const folder = await scratch(context);
      const { repository } = await newRepository(cipherSuite);
      const id = await writeCopy(repository, ENTRIES);
      const { summary } = await restore(repository, id, folder);
      assertTree(folder);
      assert.equal(summary.damaged, 0);
    });
  });
}
