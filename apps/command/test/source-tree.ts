/**
 * A tree of files with everything that a copy must bring back, and an independent witness that it did.
 *
 * @module
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  chmodSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";

/** Whether rsync(1) is there. */
export const HAS_RSYNC = spawnSync("rsync", ["--version"]).status === 0;
export const NOT_UTF8 = Buffer.from("latin1-\xe4\xff", "latin1");

export function makeSourceTree(folder: string): void {
  const path = (...names: string[]): string => join(folder, ...names);
  mkdirSync(path("docs", "deep", "deeper"), { recursive: true });
  mkdirSync(path("empty folder"));
  writeFileSync(path("docs", "small.txt"), "a small file\n");
  writeFileSync(path("docs", "empty"), "");
  writeFileSync(path("docs", "middle"), randomBytes(300_000));
  writeFileSync(path("docs", "deep", "deeper", "large"), randomBytes(9_000_000));
  for (let index = 0; index < 200; index += 1) {
    writeFileSync(path("docs", "deep", `file ${String(index)}.log`), `line ${String(index)}\n`.repeat(index));
  }
  writeFileSync(path("private"), "only for me", { mode: 0o600 });
  chmodSync(path("private"), 0o4711);
  linkSync(path("docs", "middle"), path("second name"));
  symlinkSync("docs/small.txt", path("link"));
  symlinkSync("/nowhere/at all", path("dangling"));
  writeFileSync(path("sparse"), "start");
  truncateSync(path("sparse"), 50_000_000);
  writeFileSync(path("name with\nnewline and \u001B[31mcolour"), "odd");
  writeFileSync(Buffer.concat([Buffer.from(`${folder}/`), NOT_UTF8]), "not UTF-8");
  spawnSync("mkfifo", [path("pipe")]);
  spawnSync("setfattr", ["-n", "user.colour", "-v", "green", path("docs", "small.txt")]);
  lutimesSync(path("link"), 1_000_000_000, 1_000_000_000.5);
  utimesSync(path("docs", "small.txt"), 1_111_111_111, 1_111_111_111.25);
  utimesSync(path("empty folder"), 1_222_222_222, 1_222_222_222);
}

/** What rsync would have to change to make the second folder the same as the first, down to content and links. */
export function differencesByRsync(source: string, restored: string): string {
  const options = ["-naHAXc", "--delete", "--itemize-changes"];
  const { status, stdout, stderr } = spawnSync("rsync", [...options, `${source}/`, `${restored}/`], {
    encoding: "utf8",
  });
  assert.equal(status, 0, stderr);
  return stdout;
}
