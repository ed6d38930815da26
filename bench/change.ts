/**
 * Changes about 1 % of a corpus, always in the same way, and undoes it.
 *
 * A: one file in a hundred gets a line of 64 bytes inserted at a random place.
 * B: runs of 4 to 256 KiB at random places are overwritten with noise until 1 % of the image has been written.
 * C: 1 KiB is inserted into one file, and a new file of 1 % of the bytes appears.
 *
 * What an edit touches is copied aside first, so undoing works from any half-way state, also after a crash.
 */
import { closeSync, existsSync, openSync, readFileSync, readSync, rmSync, statSync } from "node:fs";
import { utimesSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { CorpusName } from "./corpus.ts";
import { hasText, parseJson } from "./json.ts";
import { noiseStream, numberStream } from "./noise.ts";
import { folder } from "./places.ts";
import { listTree, type TreeFile } from "./tree.ts";

type Edit =
  | { readonly kind: "insert"; readonly path: string; readonly offset: number; readonly bytes: number }
  | { readonly kind: "overwrite"; readonly path: string; readonly offset: number; readonly bytes: number }
  | { readonly kind: "create"; readonly path: string; readonly bytes: number };

/** An edit together with where the original bytes lie in the saved file, and the file's time in ms. */
type SavedEdit = Edit & {
  readonly savedOffset: number;
  readonly savedBytes: number;
  readonly modifiedMs: number;
};

const LINE_BYTES = 64;
const BLOCK_BYTES = 4096;
const MAX_RUN_BLOCKS = 64;
const PLAN = "plan.json";
const SAVED = "original.bin";

/** Applies the change. The corpus must be in its original state. */
export function changeOnePercent(name: CorpusName, directory: string, changeDirectory: string): void {
  folder(changeDirectory);
  const edits = planners[name](listTree(directory).files, numberStream(`holdfast bench change of ${name}`));
  const saved = saveOriginals(edits, directory, join(changeDirectory, SAVED));
  writeFileSync(join(changeDirectory, PLAN), JSON.stringify(saved));
  for (const [index, edit] of edits.entries()) apply(edit, directory, `holdfast bench change ${index}`);
}

/** Puts the original bytes and times back; nothing happens if the corpus is not changed. */
export function undoChange(directory: string, changeDirectory: string): void {
  const planPath = join(changeDirectory, PLAN);
  if (!existsSync(planPath)) return;
  const edits = parseJson(readFileSync(planPath, "utf8"), isPlan);
  const saved = openSync(join(changeDirectory, SAVED), "r");
  for (const edit of edits) {
    const path = join(directory, edit.path);
    if (edit.kind === "create") {
      rmSync(path, { force: true });
      continue;
    }
    const bytes = Buffer.alloc(edit.savedBytes);
    readSync(saved, bytes, 0, bytes.length, edit.savedOffset);
    if (edit.kind === "insert") writeFileSync(path, bytes);
    else writeAt(path, bytes, edit.offset);
    utimesSync(path, edit.modifiedMs / 1000, edit.modifiedMs / 1000);
  }
  closeSync(saved);
  rmSync(changeDirectory, { recursive: true });
}

function isPlan(value: unknown): value is readonly SavedEdit[] {
  return Array.isArray(value) && value.every((edit) => hasText(edit, "kind") && hasText(edit, "path"));
}

type Planner = (files: readonly TreeFile[], random: (limit: number) => number) => Edit[];

const planners: Readonly<Record<CorpusName, Planner>> = { A: planLines, B: planRuns, C: planNewMedia };

function planLines(files: readonly TreeFile[], random: (limit: number) => number): Edit[] {
  return chooseOnePercent(files, random).map(({ path, bytes }) => ({
    kind: "insert",
    path,
    offset: random(bytes + 1),
    bytes: LINE_BYTES,
  }));
}

/** A hundredth of the files, without repetition: the head of a Fisher-Yates shuffle. */
function chooseOnePercent(files: readonly TreeFile[], random: (limit: number) => number): TreeFile[] {
  const deck = [...files];
  const count = Math.ceil(deck.length / 100);
  return Array.from({ length: count }, () => {
    const at = random(deck.length);
    const [chosen] = deck.splice(at, 1);
    return chosen;
  }).filter((file) => file !== undefined);
}

function planRuns(files: readonly TreeFile[], random: (limit: number) => number): Edit[] {
  return files.flatMap((file) => {
    const edits: Edit[] = [];
    for (let left = Math.floor(file.bytes / 100 / BLOCK_BYTES); left > 0; ) {
      const blocks = Math.min(left, 1 + random(MAX_RUN_BLOCKS));
      const offset = random(file.bytes / BLOCK_BYTES - blocks) * BLOCK_BYTES;
      edits.push({ kind: "overwrite", path: file.path, offset, bytes: blocks * BLOCK_BYTES });
      left -= blocks;
    }
    return edits;
  });
}

function planNewMedia(files: readonly TreeFile[], random: (limit: number) => number): Edit[] {
  const edited = files[random(files.length)];
  if (edited === undefined) throw new Error("the corpus is empty");
  const total = files.reduce((sum, file) => sum + file.bytes, 0);
  return [
    { kind: "insert", path: edited.path, offset: random(edited.bytes), bytes: 1024 },
    { kind: "create", path: "noise-new.bin", bytes: Math.floor(total / 100) },
  ];
}

function saveOriginals(edits: readonly Edit[], directory: string, savedPath: string): SavedEdit[] {
  const saved = openSync(savedPath, "w");
  let end = 0;
  const result = edits.map((edit): SavedEdit => {
    if (edit.kind === "create") return { ...edit, savedOffset: end, savedBytes: 0, modifiedMs: 0 };
    const path = join(directory, edit.path);
    const { size, mtimeMs } = statSync(path);
    const original = edit.kind === "insert" ? readAt(path, 0, size) : readAt(path, edit.offset, edit.bytes);
    writeSync(saved, original);
    end += original.length;
    return { ...edit, savedOffset: end - original.length, savedBytes: original.length, modifiedMs: mtimeMs };
  });
  closeSync(saved);
  return result;
}

function apply(edit: Edit, directory: string, label: string): void {
  const path = join(directory, edit.path);
  const noise = noiseStream(label)(edit.bytes);
  switch (edit.kind) {
    case "insert": {
      const original = readFileSync(path);
      // A line of text where a person would type one; bytes as they come elsewhere.
      const line =
        edit.bytes === LINE_BYTES
          ? Buffer.from(`${noise.toString("base64url").slice(0, LINE_BYTES - 1)}\n`)
          : noise;
      writeFileSync(
        path,
        Buffer.concat([original.subarray(0, edit.offset), line, original.subarray(edit.offset)]),
      );
      return;
    }
    case "overwrite":
      writeAt(path, noise, edit.offset);
      return;
    case "create":
      writeFileSync(path, noise);
  }
}

function readAt(path: string, offset: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  const file = openSync(path, "r");
  const count = readSync(file, bytes, 0, length, offset);
  closeSync(file);
  if (count !== length) throw new Error(`${path} is shorter than expected`);
  return bytes;
}

function writeAt(path: string, bytes: Uint8Array, offset: number): void {
  const file = openSync(path, "r+");
  writeSync(file, bytes, 0, bytes.length, offset);
  closeSync(file);
}
