/** What is backed up. */
import { closeSync, copyFileSync, openSync, readSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { prepareCorpus } from "../corpora.ts";
import { noiseStream } from "../noise.ts";
import { defaultCacheDirectory, folder } from "../places.ts";
import { listTree } from "../tree.ts";

/**
 * `noise` neither repeats nor compresses; `image` is the beginning of corpus B, a disk image of programs and sources;
 * `tree` is as much of corpus A, small files. The first two are cut into files that a protocol's own tool is content with.
 */
export const contents = ["noise", "image", "tree"] as const;
export type Content = (typeof contents)[number];

const FILES = 8;
const STEP = 1 << 20;

export function makeSource(path: string, bytes: number, content: Content): void {
  folder(path);
  if (content === "noise") makeNoise(path, bytes);
  else if (content === "image") cutImage(path, bytes);
  else copyTree(path, bytes);
}

function makeNoise(path: string, bytes: number): void {
  for (let index = 0; index < FILES; index += 1) {
    const next = noiseStream(`holdfast bench storages ${String(index)}`);
    writeFile(join(path, `noise-${String(index)}.bin`), Math.ceil(bytes / FILES), next);
  }
}

function cutImage(path: string, bytes: number): void {
  const { directory } = prepareCorpus("B", defaultCacheDirectory, false);
  const image = openSync(join(directory, "disk.img"), "r");
  const next = (length: number): Uint8Array => {
    const block = Buffer.alloc(length);
    if (readSync(image, block) < length) throw new Error("the disk image of corpus B is too short");
    return block;
  };
  for (let index = 0; index < FILES; index += 1)
    writeFile(join(path, `disk-${String(index)}.img`), Math.ceil(bytes / FILES), next);
  closeSync(image);
}

function writeFile(path: string, bytes: number, next: (length: number) => Uint8Array): void {
  const file = openSync(path, "w");
  for (let left = bytes; left > 0; left -= STEP) writeSync(file, next(Math.min(left, STEP)));
  closeSync(file);
}

function copyTree(path: string, bytes: number): void {
  const { directory } = prepareCorpus("A", defaultCacheDirectory, false);
  let left = bytes;
  for (const file of listTree(directory).files) {
    if (file.bytes > left) break;
    const target = join(path, file.path);
    folder(dirname(target));
    copyFileSync(join(directory, file.path), target);
    left -= file.bytes;
  }
}
