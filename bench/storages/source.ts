/** What is backed up: bytes that neither repeat nor compress, in files that a protocol's own tool is content with, too. */
import { closeSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { noiseStream } from "../noise.ts";
import { folder } from "../places.ts";

const FILES = 8;
const STEP = 1 << 20;

export function makeSource(path: string, bytes: number): void {
  folder(path);
  for (let index = 0; index < FILES; index += 1) {
    const next = noiseStream(`holdfast bench storages ${String(index)}`);
    const file = openSync(join(path, `noise-${String(index)}.bin`), "w");
    for (let left = Math.ceil(bytes / FILES); left > 0; left -= STEP)
      writeSync(file, next(Math.min(left, STEP)));
    closeSync(file);
  }
}
