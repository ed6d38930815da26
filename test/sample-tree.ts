/**
 * A folder with every kind of entry that a backup knows, small, and the same for the same seed.
 *
 * @module
 */
import { execFileSync, spawnSync } from "node:child_process";
import fs from "node:fs";
import { join } from "node:path";
import { SeededRandom } from "./seeded-random.ts";

export interface SampleTreeOptions {
  readonly seed: string;
  /** A file that is cut into several chunks has this length. */
  readonly largeBytes: number;
  /** Enough entries for several pages and a node above them. */
  readonly manyPages: boolean;
  /** Content that compresses to nearly nothing. */
  readonly compressible?: boolean;
}

const MTIME = new Date("2021-03-04T05:06:07.089Z");
const BLOCK = 64 * 1024;
/** As many stretches of data with holes between them do not stand in an entry any more. */
const STRETCHES = 70;
const SYMLINKS = 150;
const TARGET_BYTES = 4000;

/** Makes `folder`, which must not be there yet. */
export function writeSampleTree(folder: string, options: SampleTreeOptions): void {
  const random = new SeededRandom(options.seed);
  const content = (length: number): Buffer =>
    options.compressible === true ? lowEntropy(random, length) : random.bytes(length);
  const at = (...names: readonly string[]): string => join(folder, ...names);
  fs.mkdirSync(at("empty"), { recursive: true });
  fs.mkdirSync(at("small", "deeper"), { recursive: true });
  fs.writeFileSync(at("nothing"), "");
  fs.writeFileSync(at("inline"), "a few bytes", { mode: 0o640 });
  fs.writeFileSync(at("inline at its limit"), content(2048));
  for (let index = 0; index < 6; index += 1) {
    const names = index % 2 === 0 ? ["small"] : ["small", "deeper"];
    fs.writeFileSync(at(...names, `bundled ${String(index)}`), content(2500 + random.below(9000)));
  }
  fs.writeFileSync(at("one chunk"), content(140_000), { mode: 0o600 });
  fs.writeFileSync(at("large"), content(options.largeBytes));
  writeSparse(at("sparse"), content);
  fs.writeFileSync(at("name one"), content(5000));
  fs.linkSync(at("name one"), at("small", "name two"));
  fs.symlinkSync("small/bundled 0", at("link"));
  fs.symlinkSync("/nowhere/at all", at("dangling"));
  execFileSync("mkfifo", ["-m", "0620", at("pipe")]);
  fs.writeFileSync(
    Buffer.concat([Buffer.from(`${folder}/`), Buffer.from([0x6e, 0xff, 0xfe, 0x0a])]),
    "odd name",
  );
  fs.writeFileSync(at("attributes"), content(3000));
  // Where the file system or the program is missing, a copy has no attributes to lose.
  spawnSync("setfattr", ["-n", "user.holdfast", "-v", "an attribute", at("attributes")]);
  if (options.manyPages) writeSymlinks(at("links"));
  settle(folder);
}

/** Stretches of data, holes and zeros that take space. */
function writeSparse(path: string, content: (length: number) => Buffer): void {
  const fd = fs.openSync(path, "w");
  for (let index = 0; index < STRETCHES; index += 1) {
    fs.writeSync(fd, content(300), 0, 300, index * 2 * BLOCK);
  }
  const zeros = Buffer.alloc(2 * BLOCK);
  fs.writeSync(fd, zeros, 0, zeros.length, 2 * STRETCHES * BLOCK);
  fs.ftruncateSync(fd, (2 * STRETCHES + 5) * BLOCK);
  fs.closeSync(fd);
}

function writeSymlinks(folder: string): void {
  fs.mkdirSync(folder);
  for (let index = 0; index < SYMLINKS; index += 1) {
    const name = `link ${String(index).padStart(3, "0")}`;
    fs.symlinkSync(`${name}/`.padEnd(TARGET_BYTES, "x"), join(folder, name));
  }
}

/** Text-like content: many repetitions, and chunks that still differ from each other. */
function lowEntropy(random: SeededRandom, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; at += 4096) bytes.fill(random.u32() & 0xff, at, Math.min(length, at + 4096));
  bytes.writeUInt32LE(random.u32(), 0);
  return bytes;
}

/** Gives everything an old time: what changed just now is never taken for unchanged. */
export function settle(folder: string): void {
  for (const entry of fs.readdirSync(folder, { recursive: true, encoding: "buffer" })) {
    const path = Buffer.concat([Buffer.from(`${folder}/`), entry]);
    fs.lutimesSync(path, MTIME, MTIME);
  }
  fs.utimesSync(folder, MTIME, MTIME);
}
