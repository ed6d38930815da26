/** Repositories that were written once open for ever, by the engine and by the second reader, and say the same. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test, type TestContext } from "node:test";
import { SUITES } from "@holdfast/crypto";
import { isAppError } from "@holdfast/kernel";
import {
  type Copy,
  type CopyReader,
  type Entry,
  joinPath,
  openCopyReader,
  openRepository,
  readSegments,
  type Repository,
  resolveCopy,
  type SlotKey,
  verifyRepository,
  walkSections,
} from "@holdfast/repository";
import { fixturePorts } from "@holdfast/repository/fixture-writer";
import { restoreFiles } from "@holdfast/sources";
import { openLocalStorage } from "@holdfast/storage";
import { listCopies as listAgain, openRepository as openAgain } from "../reader/repository.ts";
import { type ListedEntry, listing, restoreTo } from "../reader/main.ts";
import { type ExpectedCopy, keysOf, type KnownAnswer, readKnownAnswers, shortened } from "./known-answer.ts";

const isRoot = process.getuid?.() === 0;
const ALL = ["write", "maintain", "read"] as const;
const answers = readKnownAnswers();

async function openWith(answer: KnownAnswer, key: SlotKey | undefined): Promise<Repository> {
  return openRepository(fixturePorts(await openLocalStorage(answer.folder)), key, ALL);
}

function scratch(context: TestContext): string {
  const folder = fs.mkdtempSync(join(tmpdir(), "holdfast-known-"));
  context.after(() => {
    fs.rmSync(folder, { recursive: true, force: true });
  });
  return folder;
}

const KINDS: Readonly<Record<Entry["kind"], ListedEntry["kind"]>> = {
  file: "file",
  directory: "directory",
  symlink: "symbolic link",
  fifo: "FIFO",
  socket: "socket",
  char: "character device",
  block: "block device",
};

function textOf(bytes: Buffer): string {
  const text = bytes.toString("utf8");
  return Buffer.from(text).equals(bytes) ? text : `hex:${bytes.toString("hex")}`;
}

async function digestOf(reader: CopyReader, entry: Entry & { readonly kind: "file" }): Promise<string> {
  const hash = createHash("sha256");
  const { content, size } = entry;
  if (content.form === "inline") hash.update(content.bytes);
  if (content.form === "segments" || content.form === "list") {
    for await (const { segment } of readSegments({ size, content }, reader.readRecord)) {
      hash.update(
        segment.kind === "data" ? await reader.readChunk(segment.id) : Buffer.alloc(segment.length),
      );
    }
  }
  return hash.digest("hex");
}

/** A copy as the engine reads it, in the words of the second reader's listing. */
async function engineListing(reader: CopyReader, { table }: Copy): Promise<ListedEntry[]> {
  const listed: ListedEntry[] = [];
  const firsts = new Map<string, string>();
  for await (const { directory, entries } of walkSections(reader.readRecord, table.root)) {
    for (const entry of entries) {
      const path = textOf(joinPath(directory, entry.name));
      const inode = entry.link === undefined ? undefined : `${entry.link.device}:${entry.link.inode}`;
      const first = inode === undefined || entry.kind === "directory" ? undefined : firsts.get(inode);
      if (inode !== undefined && first === undefined) firsts.set(inode, path);
      const attributes = entry.xattrs.map(({ name, value }) => [textOf(name), value.toString("hex")]);
      const { mode, uid, gid, user, group, mtimeSeconds, mtimeNanoseconds, changedWhileRead } = entry;
      listed.push({
        path,
        kind: KINDS[entry.kind],
        mode: mode.toString(8).padStart(4, "0"),
        uid,
        gid,
        user,
        group,
        mtimeNs: String(mtimeSeconds * 1_000_000_000n + BigInt(mtimeNanoseconds)),
        incomplete: changedWhileRead,
        ...(attributes.length > 0 && { attributes: Object.fromEntries(attributes) }),
        ...(first !== undefined && { linkTo: first }),
        ...(entry.kind === "file" && { size: entry.size, sha256: await digestOf(reader, entry) }),
        ...(entry.kind === "symlink" && { target: textOf(entry.target) }),
        ...((entry.kind === "char" || entry.kind === "block") && {
          device: `${String(entry.major)}:${String(entry.minor)}`,
        }),
      });
    }
  }
  return listed;
}

/** Names and content of all files: reading must not change any. */
function stateOf(folder: string): string {
  const hash = createHash("sha256");
  for (const name of fs.readdirSync(folder, { recursive: true, encoding: "utf8" }).toSorted()) {
    hash.update(`${name}\0`);
    if (fs.statSync(join(folder, name)).isFile()) hash.update(fs.readFileSync(join(folder, name)));
  }
  return hash.digest("hex");
}

function assertRestored(target: string, { entries }: ExpectedCopy, isComplete: boolean): void {
  for (const entry of entries) {
    const special = !["file", "directory", "symbolic link"].includes(entry.kind);
    if (special && !isComplete) continue;
    const path = entry.path.startsWith("hex:")
      ? Buffer.from(entry.path.slice(4), "hex")
      : Buffer.from(entry.path);
    const restored = Buffer.concat([Buffer.from(`${target}/`), path]);
    const stat = fs.lstatSync(restored, { bigint: true });
    if (entry.kind === "symbolic link") {
      const link = { ...entry, target: fs.readlinkSync(restored) };
      assert.equal(shortened(link).target, entry.target);
    } else {
      assert.equal(
        Number(stat.mode & 0o7777n)
          .toString(8)
          .padStart(4, "0"),
        entry.mode,
        entry.path,
      );
    }
    if (entry.kind === "file") {
      assert.equal(createHash("sha256").update(fs.readFileSync(restored)).digest("hex"), entry.sha256);
      assert.equal(Number(stat.size), entry.size);
    }
    // The second reader sets times by Node.js, which has microseconds.
    const microseconds = BigInt(entry.mtimeNs) / 1000n;
    assert((stat.mtimeNs / 1000n - microseconds) ** 2n <= 1n, entry.path);
    if (entry.linkTo !== undefined) {
      assert.equal(fs.lstatSync(join(target, entry.linkTo), { bigint: true }).ino, stat.ino);
    }
  }
}

test("there is a known answer for every suite", () => {
  assert.deepEqual(
    answers.map((answer) => answer.suite).toSorted(),
    SUITES.map(({ name }) => name).toSorted(),
  );
});

for (const answer of answers) {
  suite(`known answer, ${answer.suite}`, () => {
    for (const [name, key] of keysOf(answer)) {
      test(`the engine opens, lists, verifies and restores it with ${name}`, async (context) => {
        const before = stateOf(answer.folder);
        const repository = await openWith(answer, key);
        assert.equal(repository.config.suite.name, answer.suite);
        using reader = await openCopyReader(repository);
        const list = await reader.listCopies();
        assert.equal(list.damaged.length, 0);
        assert.equal(list.copies.length, answer.expected.length);
        for (const expected of answer.expected) {
          const copy = resolveCopy(list, expected.id);
          const { table, details } = copy;
          const { entries, id, paths, root, ...fields } = expected;
          assert.deepEqual((await engineListing(reader, copy)).map(shortened), entries);
          assert.deepEqual([copy.id, table.root.type, details.paths.map(String)], [id, root, paths]);
          const { kind, timeMs, bytesAdded } = table;
          const totals = { entries: table.root.entries, bytes: table.root.bytes };
          assert.equal(totals.entries, entries.length);
          assert.deepEqual(
            { ...details, paths, kind, timeMs, bytesAdded, bytes: totals.bytes },
            {
              ...fields,
              paths,
            },
          );
        }
        const { damaged } = await verifyRepository(repository, { readData: true });
        assert.deepEqual(damaged, []);
        const target = join(scratch(context), "target");
        const [first] = answer.expected;
        assert(first !== undefined);
        const copy = resolveCopy(list, first.id);
        const { warnings } = await restoreFiles(repository, { copy, target, existing: "skip" });
        assertRestored(target, first, isRoot && warnings === 0);
        assert.equal(stateOf(answer.folder), before);
      });
    }

    for (const secret of answer.seed === undefined ? [undefined] : [answer.passphrase, answer.seed]) {
      const way = secret === undefined ? "no key" : secret === answer.seed ? "the seed" : "the passphrase";
      test(`the second reader opens, lists and restores it with ${way}`, (context) => {
        const reader = openAgain(answer.folder, secret);
        assert.deepEqual(reader.problems, []);
        assert.deepEqual(
          listAgain(reader).map((copy) => ({
            ...copy,
            root: copy.root.type,
            paths: copy.paths.map(String),
            entries: listing(reader, copy.id).map(shortened),
          })),
          answer.expected,
        );
        const [first] = answer.expected;
        assert(first !== undefined);
        const target = join(scratch(context), "target");
        restoreTo(reader, first.id, target);
        assertRestored(target, first, false);
      });
    }

    test("another key does not open it", async () => {
      const wrong: SlotKey = { kind: "passphrase", passphrase: Buffer.from("another") };
      const expected = answer.seed === undefined ? "ERR_NOT_ENCRYPTED" : "ERR_KEY_WRONG";
      await assert.rejects(openWith(answer, wrong), (error) => isAppError(error, expected));
      await assert.rejects(openWith(answer, { kind: "recovery", seed: Buffer.alloc(32, 1) }), (error) =>
        isAppError(error, expected),
      );
    });
  });
}
