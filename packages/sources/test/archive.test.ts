/** Archives as other programs read them: `unzip` and `tar`. */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import {
  createReadStream,
  createWriteStream,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { suite, test, type TestContext } from "node:test";
import { createZstdDecompress } from "node:zlib";
import { isAppError } from "@holdfast/kernel";
import type { Entry } from "@holdfast/repository";
import { type ArchiveEntry, type ArchiveForm, archiveBytes } from "../src/index.ts";

const COMMON = {
  mode: 0o640,
  uid: 1000,
  gid: 1000,
  user: "ada",
  group: "staff",
  mtimeSeconds: 1_700_000_000n,
  mtimeNanoseconds: 250_000_000,
  xattrs: [],
  link: undefined,
  changedWhileRead: false,
} as const;

function file(path: string | Buffer, bytes: Buffer, size = bytes.length): ArchiveEntry {
  const entry: Entry = { ...COMMON, name: Buffer.from("x"), kind: "file", size, content: { form: "empty" } };
  return {
    path: Buffer.from(path),
    entry,
    content: async function* () {
      for (let at = 0; at < bytes.length; at += 100_000) yield bytes.subarray(at, at + 100_000);
    },
  };
}

function other(path: string, kind: "directory" | "fifo" | "symlink", target = ""): ArchiveEntry {
  const common = { ...COMMON, mode: 0o755, name: Buffer.from("x") };
  const entry: Entry =
    kind === "symlink" ? { ...common, kind, target: Buffer.from(target) } : { ...common, kind };
  return { path: Buffer.from(path), entry, content: async function* () {} };
}

function folderOf(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-archive-"));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function write(
  form: ArchiveForm,
  path: string,
  entries: Iterable<ArchiveEntry> | AsyncIterable<ArchiveEntry>,
): Promise<string[]> {
  const leftOut: string[] = [];
  const given = (async function* () {
    yield* entries;
  })();
  const bytes = archiveBytes(form, given, { onLeftOut: (left) => leftOut.push(left.toString()) });
  await pipeline(Readable.from(bytes, { objectMode: false }), createWriteStream(path));
  return leftOut;
}

/** Unpacks with the system's own program. */
async function unpack(form: ArchiveForm, archive: string, into: string): Promise<void> {
  mkdirSync(into);
  if (form === "zip") {
    execFileSync("unzip", ["-tq", archive], { stdio: "pipe" });
    execFileSync("unzip", ["-q", archive, "-d", into], { stdio: "pipe" });
    return;
  }
  await pipeline(createReadStream(archive), createZstdDecompress(), createWriteStream(`${archive}.plain`));
  execFileSync("tar", ["-xf", `${archive}.plain`, "-C", into], { stdio: "pipe" });
}

const hasUnzip = spawnSync("unzip", ["-v"]).status === 0;
const hasTar = spawnSync("tar", ["--version"]).status === 0;

for (const [form, isThere] of [
  ["zip", hasUnzip],
  ["tar", hasTar],
] as const) {
  suite(`an archive of the form ${form}`, { skip: isThere ? false : "its program is not installed" }, () => {
    test("is unpacked to what went in", async (context) => {
      const folder = folderOf(context);
      const large = Buffer.alloc(3_000_000, "abcdefg");
      const long = `${"d".repeat(90)}/${"ü".repeat(60)}`;
      const archive = join(folder, "a");
      const leftOut = await write(form, archive, [
        other("top", "directory"),
        file("top/large", large),
        file("top/empty", Buffer.alloc(0)),
        file('top/with "quotes" and ü', Buffer.from("quoted")),
        file(`top/${long}`, Buffer.from("long")),
        other("top/link", "symlink", "large"),
        other("top/pipe", "fifo"),
      ]);
      assert.deepEqual(leftOut, ["top/pipe"]);
      const into = join(folder, "into");
      await unpack(form, archive, into);
      assert(readFileSync(join(into, "top/large")).equals(large));
      assert.equal(readFileSync(join(into, "top/empty")).length, 0);
      assert.equal(readFileSync(join(into, 'top/with "quotes" and ü'), "utf8"), "quoted");
      assert.equal(readFileSync(join(into, "top", long), "utf8"), "long");
      assert.equal(readlinkSync(join(into, "top/link")), "large");
      const { mtimeMs, mode } = statSync(join(into, "top/large"));
      assert.equal(Math.floor(mtimeMs / 1000), 1_700_000_000);
      assert.equal(mode & 0o777, 0o640);
    });

    test("fails when a file is shorter or longer than its entry says", async (context) => {
      const folder = folderOf(context);
      for (const [bytes, size] of [
        [1000, 1001],
        [1000, 999],
        [600_000, 600_001],
        [600_000, 500_000],
      ] as const) {
        const entries = [file("a", Buffer.alloc(bytes), size)];
        await assert.rejects(write(form, join(folder, "broken"), entries), (error) =>
          isAppError(error, "ERR_DAMAGED"),
        );
      }
    });
  });
}

suite("the names of a ZIP", { skip: hasUnzip ? false : "unzip is not installed" }, () => {
  test("lead no program out of its folder, and none is lost", async (context) => {
    const folder = folderOf(context);
    const archive = join(folder, "a.zip");
    await write("zip", archive, [
      file(String.raw`..\..\evil`, Buffer.from("1")),
      file("C:windows", Buffer.from("2")),
      file("line\nbreak", Buffer.from("3")),
      file(Buffer.from([0x61, 0xff, 0x62]), Buffer.from("4")),
    ]);
    const into = join(folder, "into");
    await unpack("zip", archive, into);
    assert.deepEqual(
      readdirSync(into).toSorted(),
      ["..%5C..%5Cevil", "C%3Awindows", "a%FFb", "line%0Abreak"].toSorted(),
    );
  });
});

test("a tar keeps names byte by byte, short and long", { skip: !hasTar }, async (context) => {
  const folder = folderOf(context);
  const archive = join(folder, "a.tar.zst");
  const short = Buffer.from([0x61, 0xff, 0x62]);
  const long = Buffer.concat([Buffer.alloc(120, "x"), short]);
  await write("tar", archive, [
    file(short, Buffer.from("1")),
    file(long, Buffer.from("2")),
    file("new\nline", Buffer.from("3")),
  ]);
  const into = join(folder, "into");
  await unpack("tar", archive, into);
  const names = readdirSync(into, { encoding: "buffer" }).map((name) => name.toString("hex"));
  assert.deepEqual(
    names.toSorted(),
    [short, long, Buffer.from("new\nline")].map((name) => name.toString("hex")).toSorted(),
  );
});

test("a ZIP has 64-bit fields where there are more than 65,535 entries", {
  skip: !hasUnzip,
}, async (context) => {
  const folder = folderOf(context);
  const archive = join(folder, "many.zip");
  const count = 70_000;
  const entries = (function* () {
    for (let number = 0; number < count; number += 1) yield file(`f${String(number)}`, Buffer.alloc(0));
  })();
  await write("zip", archive, entries);
  const said = execFileSync("unzip", ["-tq", archive], { encoding: "utf8", maxBuffer: 1e8 });
  assert.match(said, /No errors detected/u);
  const listed = execFileSync("unzip", ["-Z1", archive], { encoding: "utf8", maxBuffer: 1e8 });
  assert.equal(listed.trim().split("\n").length, count);
});

test("a ZIP holds a file beyond 4 GiB, and what follows it", {
  skip: !hasUnzip,
  timeout: 300_000,
}, async (context) => {
  const folder = folderOf(context);
  const archive = join(folder, "large.zip");
  const size = 2 ** 32 + 12_345;
  const zeros = Buffer.alloc(4 * 1024 * 1024);
  const large: ArchiveEntry = {
    ...file("large", Buffer.alloc(0), size),
    content: async function* () {
      for (let left = size; left > 0; left -= zeros.length)
        yield zeros.subarray(0, Math.min(left, zeros.length));
    },
  };
  await write("zip", archive, [large, file("behind", Buffer.from("behind"))]);
  assert.match(
    execFileSync("unzip", ["-Zl", archive], { encoding: "utf8" }),
    new RegExp(`${String(size)} .*large`, "u"),
  );
  assert.equal(execFileSync("unzip", ["-p", archive, "behind"], { encoding: "utf8" }), "behind");
  assert.match(execFileSync("unzip", ["-tq", archive], { encoding: "utf8" }), /No errors detected/u);
});
