/**
 * Corpus B: a raw ext4 image filled to about three fifths with files of /usr and of corpus A; the rest is zeros. Every byte
 * that mke2fs would choose freely (UUID, hash seed, clock) is fixed, and debugfs writes the files because, unlike
 * `mke2fs -d`, it stamps them with E2FSPROGS_FAKE_TIME. Two builds from the same /usr are equal.
 */
import { closeSync, openSync, readSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { folder } from "./places.ts";
import { runNicely } from "./shell.ts";
import { listTree } from "./tree.ts";

const FULL_BYTES = 4 * 2 ** 30;
const CONTENT_SHARE = 0.56;
const USR_SHARE = 0.8;
const FILES_PER_FOLDER = 500;
const FIXED_UUID = "0a6b6f1e-0000-4000-8000-686f6c646673";
const FIXED_TIME = "1700000000";

/** Writes `target/disk.img` and returns the names of what went into it. */
export function buildDiskImage(target: string, sourceTree: string, small: boolean): string[] {
  const bytes = small ? Math.floor(FULL_BYTES / 20 / 4096) * 4096 : FULL_BYTES;
  const image = join(folder(target), "disk.img");
  const script = join(target, "debugfs.txt");
  const sparse = join(target, "sparse.img");
  const env = { E2FSPROGS_FAKE_TIME: FIXED_TIME, SOURCE_DATE_EPOCH: FIXED_TIME, PATH: systemPath() };
  rmSync(sparse, { force: true });
  const settings = ["-t", "ext4", "-b", "4096", "-i", "16384", "-m", "0", "-U", FIXED_UUID];
  const extended = ["-E", `hash_seed=${FIXED_UUID},lazy_itable_init=1,root_owner=0:0`];
  runNicely("mke2fs", ["-q", "-F", ...settings, ...extended, sparse, `${bytes / 1024}k`], { env });
  writeFileSync(script, debugfsScript(chooseFiles(bytes * CONTENT_SHARE, sourceTree)));
  runNicely("debugfs", ["-w", "-f", script, sparse], { env });
  runNicely("cp", ["--sparse=never", sparse, image]);
  rmSync(sparse);
  rmSync(script);
  return [
    "/usr of this machine",
    "corpus A",
    `zero blocks of 4 KiB: ${(zeroShare(image) * 100).toFixed(1)} %`,
  ];
}

/** Files of /usr up to its share of the content, then files of corpus A for the rest. */
function chooseFiles(contentBytes: number, sourceTree: string): string[] {
  const chosen: string[] = [];
  let left = contentBytes * USR_SHARE;
  const takeFrom = (root: string): void => {
    for (const file of listTree(root).files) {
      const path = join(root, file.path);
      // debugfs splits its commands at blanks; the largest files would leave room for little else.
      if (/[\s"\\]/.test(path) || file.bytes === 0 || file.bytes > contentBytes / 20) continue;
      if (file.bytes > left) return;
      left -= file.bytes;
      chosen.push(path);
    }
  };
  for (const name of ["lib", "bin", "share"]) takeFrom(`/usr/${name}`);
  left += contentBytes * (1 - USR_SHARE);
  takeFrom(sourceTree);
  return chosen;
}

function debugfsScript(files: readonly string[]): string {
  return files
    .map((file, index) => {
      const directory = `/d${Math.floor(index / FILES_PER_FOLDER)}`;
      const enter = index % FILES_PER_FOLDER === 0 ? `mkdir ${directory}\ncd ${directory}\n` : "";
      return `${enter}write ${file} f${index}\n`;
    })
    .join("");
}

function zeroShare(image: string): number {
  const block = Buffer.alloc(4096);
  const zero = Buffer.alloc(4096);
  const file = openSync(image, "r");
  let zeros = 0;
  let blocks = 0;
  for (; readSync(file, block) === block.length; blocks++) if (block.equals(zero)) zeros++;
  closeSync(file);
  return zeros / blocks;
}

/** Root's tools are not in everybody's PATH. */
function systemPath(): string {
  return `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin`;
}
