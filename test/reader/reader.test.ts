import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { argon2Sync, randomBytes } from "node:crypto";
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { suite, test, type TestContext } from "node:test";
import { blob, decode, FormatError, sha256, text as textUpTo, varint as varintUpTo } from "./decode.ts";
import {
  decapsulateXWing,
  expandSeed,
  hkdf,
  openFrame,
  openGcm,
  openKemSeal,
  suiteOf,
  tryBox,
} from "./keys.ts";
import { listing, restoreTo } from "./main.ts";
import { recordsOf } from "./packs.ts";
import { listCopies, openRepository } from "./repository.ts";
import { writeSample } from "./sample/repository.ts";
import { kemSeal, seal, sealFrame, varint } from "./sample/seal.ts";
import { SAMPLE_CONTENTS, SAMPLE_MTIME_NS } from "./sample/tree.ts";
import { comparePaths, readList, readPage } from "./tree.ts";

const hex = (text: string): Buffer => Buffer.from(text, "hex");
const root = join(import.meta.dirname, "../..");

function temporaryFolder(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-reader-"));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

suite("numbers (section 1)", () => {
  const read = (text: string): number => decode(hex(text), varintUpTo());

  test("varints are LEB128 in the shortest form up to 2^53 - 1", () => {
    assert.equal(read("00"), 0);
    assert.equal(read("7f"), 127);
    assert.equal(read("8001"), 128);
    assert.equal(read("e58e26"), 624_485);
    assert.equal(read("ffffffffffffff0f"), Number.MAX_SAFE_INTEGER);
    assert.deepEqual(varint(Number.MAX_SAFE_INTEGER), hex("ffffffffffffff0f"));
    for (const wrong of ["8000", "ff00", "8080808080808010", "ffffffffffffffff01", "80", ""]) {
      assert.throws(() => read(wrong), FormatError, wrong);
    }
  });

  test("a blob cannot reach beyond the end, nor beyond its limit", () => {
    assert.throws(() => decode(hex("0361"), blob()), FormatError);
    assert.throws(() => decode(hex("0361626364"), blob(2)), FormatError);
    assert.throws(() => decode(hex("01ff"), textUpTo()), FormatError);
  });
});

suite("keys (section 3)", () => {
  test("HKDF agrees with RFC 5869, appendix A.1, and takes a long info", () => {
    const [key, salt] = [Buffer.alloc(22, 0x0b), hex("000102030405060708090a0b0c")];
    const derived = hkdf(key, salt, hex("f0f1f2f3f4f5f6f7f8f9"), 42);
    const known = "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865";
    assert.equal(derived.toString("hex"), known);
    assert.equal(hkdf(key, salt, Buffer.alloc(2000), 64).length, 64);
  });

  test("a sealed box opens with its key and context, and tells a wrong key from damage", () => {
    const [key, context, plaintext] = [randomBytes(32), Buffer.from("context"), Buffer.from("plaintext")];
    const box = seal(key, context, plaintext);
    assert.equal(box.length, plaintext.length + 80);
    assert.deepEqual(tryBox(key, context, box), plaintext);
    assert.equal(tryBox(randomBytes(32), context, box), undefined);
    assert.equal(tryBox(key, Buffer.from("another"), box), undefined);
    box.writeUInt8(box.readUInt8(70) ^ 1, 70);
    assert.throws(() => tryBox(key, context, box), /damaged/u);
  });

  test("known sealed boxes and frames open", () => {
    const text = readFileSync(join(root, "packages/crypto/test/vectors/format.json"), "utf8");
    const vectors: {
      readonly sessionKey: string;
      readonly repository: string;
      readonly boxes: readonly Readonly<Record<"key" | "context" | "plaintext" | "sealed", string>>[];
      readonly frames: readonly (Readonly<
        Record<"suite" | "counter" | "aad" | "plaintext" | "sealed", string>
      > & {
        readonly frame: number;
      })[];
    } = JSON.parse(text);
    assert.ok(vectors.boxes.length > 0 && vectors.frames.length > 0);
    for (const { key, context, plaintext, sealed } of vectors.boxes) {
      assert.equal(tryBox(hex(key), hex(context), hex(sealed))?.toString("hex"), plaintext);
    }
    const suites = [0, 1, 2, 3, 4, 5, 6].map((number) => suiteOf(number));
    for (const { suite: name, counter, frame, aad, plaintext, sealed } of vectors.frames) {
      const found = suites.find((each) => each.name === name);
      assert.ok(found, name);
      const place = { counter: BigInt(counter), frame, aad: hex(aad) };
      const opened = openFrame(found, hex(vectors.sessionKey), hex(vectors.repository), place, hex(sealed));
      assert.equal(opened.toString("hex"), plaintext);
    }
  });

  test("frames of every suite open, and not in another place or with a flipped bit", () => {
    const [key, repository, plaintext] = [randomBytes(32), randomBytes(16), Buffer.from("plaintext")];
    const place = { counter: 2n ** 40n, frame: 3, aad: Buffer.from("aad") };
    for (let number = 0; number <= 6; number += 1) {
      const named = suiteOf(number);
      const sealed = sealFrame(number, key, repository, place, plaintext);
      assert.deepEqual(openFrame(named, key, repository, place, sealed), plaintext);
      for (const other of [
        { ...place, frame: 4 },
        { ...place, counter: 1n },
        { ...place, aad: Buffer.alloc(3) },
      ]) {
        assert.throws(() => openFrame(named, key, repository, other, sealed), FormatError);
      }
      for (let index = 0; index < sealed.length; index += 1) {
        const damaged = Buffer.from(sealed);
        damaged.writeUInt8(damaged.readUInt8(index) ^ 0x80, index);
        assert.throws(() => openFrame(named, key, repository, place, damaged), FormatError);
      }
    }
  });

  test("X-Wing agrees with the published vectors", () => {
    const text = readFileSync(join(root, "packages/crypto/test/vectors/x-wing.json"), "utf8");
    const vectors: readonly Readonly<Record<"seed" | "pk" | "ct" | "ss", string>>[] = JSON.parse(text);
    assert.equal(vectors.length, 3);
    for (const { seed, pk, ct, ss } of vectors) {
      const key = expandSeed(hex(seed));
      assert.equal(key.publicKey.toString("hex"), pk);
      assert.equal(decapsulateXWing(key, hex(ct)).toString("hex"), ss);
    }
  });

  test("what is sealed to a public key opens with its seed", () => {
    const key = expandSeed(randomBytes(32));
    const context = Buffer.from("context");
    const sealed = kemSeal(key.publicKey, context, Buffer.from("secret"));
    assert.equal(openKemSeal(key, context, sealed).toString(), "secret");
    const other = expandSeed(randomBytes(32));
    assert.throws(() => openKemSeal(other, context, sealed), /another key/u);
  });

  test("Argon2id agrees with RFC 9106, section 5.3", () => {
    const tag = argon2Sync("argon2id", {
      message: Buffer.alloc(32, 1),
      nonce: Buffer.alloc(16, 2),
      secret: Buffer.alloc(8, 3),
      associatedData: Buffer.alloc(12, 4),
      memory: 32,
      passes: 3,
      parallelism: 4,
      tagLength: 32,
    });
    assert.equal(tag.toString("hex"), "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659");
  });
});

suite("plaintext of records (sections 6 and 7)", () => {
  test("paths are compared by components", () => {
    const paths = ["", "a", "a/b", "a/c", "a b", "a-", "a.x", "b"].map((path) => Buffer.from(path));
    assert.deepEqual(paths.toReversed().toSorted(comparePaths), paths);
  });

  test("a typed-in list reads as the document says, and refuses what it forbids", () => {
    const id = "ab".repeat(32);
    const list = decode(hex(`0003a006${id}058201`), readList);
    assert.deepEqual(list.parts, [
      { kind: "data", length: 200, id: hex(id) },
      { kind: "hole", length: 1 },
      { kind: "zeros", length: 32 },
    ]);
    for (const wrong of ["0000", "000107", "000101", "000201", "010104", "00010500"]) {
      assert.throws(() => decode(hex(wrong), readList), FormatError, wrong);
    }
  });

  test("a page refuses forbidden names and a wrong order", () => {
    const rest = `a40300000000${"00".repeat(12)}00`;
    const directory = (name: string): string =>
      `02${hex(name).length.toString(16).padStart(2, "0")}${name}${rest}`;
    const read = (path: string, ...names: readonly string[]): number => {
      const pathLength = (path.length / 2).toString(16).padStart(2, "0");
      const page = `01${pathLength}${path}0${names.length}${names.map(directory).join("")}`;
      return decode(hex(page), readPage).length;
    };
    assert.equal(read("61", "62", "63"), 2);
    assert.throws(() => read("61", "63", "62"), FormatError);
    for (const name of ["", "2e", "2e2e", "612f62", "6100"]) {
      assert.throws(() => read("61", name), FormatError, name);
    }
    for (const path of ["2f", "2f61", "612f", "612f2f62", "2e2e", "6100"]) {
      assert.throws(() => read(path, "62"), FormatError, path);
    }
  });
});

/** Changes a byte of an object and gives the object its new name or checksum, so that only what is inside can tell. */
function damage(folder: string, path: string, position: number): () => void {
  const file = join(folder, path);
  const original = readFileSync(file);
  const bytes = Buffer.from(original);
  bytes.writeUInt8(bytes.readUInt8(position) ^ 1, position);
  const isNamed = path !== "config";
  if (!isNamed) sha256(bytes.subarray(0, -32)).copy(bytes, bytes.length - 32);
  const name = sha256(bytes).toString("hex");
  const damaged = isNamed ? renamedPath(folder, path, name) : file;
  mkdirSync(dirname(damaged), { recursive: true });
  renameSync(file, damaged);
  writeFileSync(damaged, bytes);
  return () => {
    renameSync(damaged, file);
    writeFileSync(file, original);
  };
}

function renamedPath(folder: string, path: string, name: string): string {
  const [directory = ""] = path.split("/");
  return join(folder, directory, directory === "packs" ? name.slice(0, 2) : "", name);
}

type Range = readonly [start: number, end: number];

/** What a restore does not need of an object: padding, refs boxes, the checksum or the label at the end. */
function unneededIn(folder: string, secret: Buffer, path: string): readonly Range[] {
  const { length } = readFileSync(join(folder, path));
  if (path === "config") return [[length - 32, length]];
  // Of "a label".
  if (path.startsWith("slots/")) return [[length - 87, length]];
  const { packs, keys } = openRepository(folder, secret);
  const pack = packs.find(({ name }) => name === path);
  const last = pack?.places.at(-1);
  if (pack === undefined || last === undefined) return [];
  const [entryLength, tagLength, sealedEndLength] = [48, 16, 24];
  const directoryLength = pack.places.length * entryLength + tagLength;
  const padding: Range = [
    last.recordOffset + last.recordLength,
    pack.length - sealedEndLength - directoryLength,
  ];
  const aad = Buffer.concat([Buffer.from("header"), keys.repository]);
  const refs = recordsOf(pack).map(({ offset }): Range => {
    const nonce = Buffer.alloc(12);
    nonce.writeUInt32LE(offset);
    const start = offset + 128;
    const header = openGcm(pack.key, nonce, aad, readFileSync(pack.path).subarray(offset, start));
    return [start, start + header.readUInt32LE(12)];
  });
  return [padding, ...refs];
}

/** What breaks while every copy is read as a whole; undefined is nothing. */
function problemOf(folder: string, secret: Buffer): string | undefined {
  try {
    const repository = openRepository(folder, secret);
    for (const { id } of listCopies(repository)) listing(repository, id);
    return undefined;
  } catch (error) {
    assert.ok(error instanceof FormatError, String(error));
    return error.message;
  }
}

suite("a repository with one of everything", () => {
  const passphrase = Buffer.from("passphrase");

  for (const number of [0, 1, 3, 5]) {
    test(`is read with suite ${suiteOf(number).name}`, (context) => {
      const folder = temporaryFolder(context);
      const seed = randomBytes(32);
      const copyId = writeSample(folder, number, passphrase, seed);
      const repository = openRepository(folder, number === 0 ? undefined : passphrase);
      assert.deepEqual(repository.problems, []);
      assert.deepEqual(
        listCopies(repository).map(({ id }) => id),
        [copyId],
      );
      const entries = listing(repository, copyId);
      assert.equal(entries.length, 13);
      for (const [path, bytes] of SAMPLE_CONTENTS) {
        const entry = entries.find((each) => each.path === path);
        assert.equal(entry?.sha256, sha256(bytes).toString("hex"), path);
        assert.equal(entry?.mtimeNs, String(SAMPLE_MTIME_NS));
      }
      const long = entries.find((each) => each.path === "long");
      assert.deepEqual([long?.attributes, long?.incomplete], [{ "user.a": "31", "user.b": "" }, true]);
      assert.equal(entries.find((each) => each.path === "dir.x/again")?.linkTo, "inline");
      assert.equal(entries.find((each) => each.path === "hex:fffe")?.target, "dir/again");
      if (number === 0) return;
      assert.deepEqual(listing(openRepository(folder, seed), copyId), entries);
      assert.throws(() => openRepository(folder, Buffer.from("wrong")), /none opens/u);
      assert.throws(() => openRepository(folder), /none opens/u);
    });
  }

  test("is restored with holes, modes, times and links", {
    skip: process.platform === "win32",
  }, (context) => {
    const folder = temporaryFolder(context);
    const copyId = writeSample(join(folder, "repository"), 3, passphrase, randomBytes(32));
    const target = join(folder, "target");
    const leftOut = restoreTo(openRepository(join(folder, "repository"), passphrase), copyId, target);
    assert.deepEqual(leftOut, ["device", "pipe"]);
    for (const [path, bytes] of SAMPLE_CONTENTS) {
      assert.deepEqual(readFileSync(join(target, path)), bytes, path);
      const { mode, mtimeMs } = statSync(join(target, path));
      assert.deepEqual([mode & 0o7777, mtimeMs], [0o640, Number(SAMPLE_MTIME_NS) / 1e6], path);
    }
    const { mode, mtimeMs } = statSync(join(target, "dir/sub"));
    assert.deepEqual([mode & 0o7777, mtimeMs], [0o750, Number(SAMPLE_MTIME_NS) / 1e6]);
    assert.equal(statSync(join(target, "inline")).ino, statSync(join(target, "dir.x/again")).ino);
    const link = Buffer.concat([Buffer.from(`${target}/`), hex("fffe")]);
    assert.equal(readlinkSync(link), "dir/again");
    assert.equal(lstatSync(link).mtimeMs, Number(SAMPLE_MTIME_NS) / 1e6);
    assert.throws(
      () => restoreTo(openRepository(join(folder, "repository"), passphrase), copyId, target),
      /not empty/u,
    );
  });

  test("a hole stays a hole where the file system has holes", {
    skip: process.platform !== "linux",
  }, (context) => {
    const folder = temporaryFolder(context);
    const copyId = writeSample(join(folder, "repository"), 0, passphrase, randomBytes(32));
    restoreTo(openRepository(join(folder, "repository")), copyId, join(folder, "target"));
    const { blocks, size } = statSync(join(folder, "target/sparse"));
    assert.ok(blocks * 512 < size - 500_000 && blocks * 512 >= 65_536, `${blocks} blocks`);
  });

  test("damage anywhere is found, though names and checksums fit", { timeout: 120_000 }, (context) => {
    for (const number of [0, 3]) {
      const folder = join(temporaryFolder(context), "repository");
      const seed = randomBytes(32);
      writeSample(folder, number, passphrase, seed);
      const files = readdirSync(folder, { recursive: true, encoding: "utf8" })
        .filter(
          (path) => /^(?:config|slots|packs|copies)/u.test(path) && statSync(join(folder, path)).isFile(),
        )
        // The slot of the passphrase is none for the seed.
        .filter((path) => !path.startsWith("slots") || readFileSync(join(folder, path)).readUInt8(24) === 2)
        .toSorted();
      assert.equal(files.length, number === 0 ? 4 : 5);
      for (const path of files) {
        const unneeded = unneededIn(folder, seed, path);
        const { length } = readFileSync(join(folder, path));
        const step = Math.max(1, Math.floor(length / (number === 0 ? 60 : 25)));
        for (let position = 0; position < length; position += step) {
          const repair = damage(folder, path, position);
          const isNeeded = !unneeded.some(([start, end]) => start <= position && position < end);
          assert.equal(problemOf(folder, seed) !== undefined, isNeeded, `${path}, byte ${position}`);
          repair();
        }
      }
      assert.equal(problemOf(folder, seed), undefined);
    }
  });

  test("the command line lists and restores", (context) => {
    const folder = temporaryFolder(context);
    const copyId = writeSample(join(folder, "repository"), 1, passphrase, randomBytes(32));
    const keyFile = join(folder, "key");
    writeFileSync(keyFile, "passphrase\n");
    const main = join(import.meta.dirname, "main.ts");
    const run = (...words: readonly string[]): unknown =>
      JSON.parse(execFileSync(process.execPath, [main, ...words], { encoding: "utf8" }));
    const folderOfCopies = join(folder, "repository");
    const [copy] = listCopies(openRepository(folderOfCopies, passphrase));
    const listed = run(folderOfCopies, keyFile);
    assert.deepEqual(listed, [{ id: copyId, host: "host", timeMs: copy?.timeMs }]);
    const target = join(folder, "target");
    assert.deepEqual(run(folderOfCopies, keyFile, copyId.slice(0, 8), target), {
      leftOut: ["device", "pipe"],
    });
    assert.equal(readFileSync(join(target, "inline"), "utf8"), "inline");
    writeFileSync(keyFile, "wrong\n");
    const failed = spawnSync(process.execPath, [main, folderOfCopies, keyFile]);
    assert.equal(failed.status, 1);
    assert.match(failed.stderr.toString(), /none opens/u);
  });
});
