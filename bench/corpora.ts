/**
 * The three corpora that Holdfast and its peers are measured on, made reproducibly and kept for the next run:
 * A, a tree of about 150,000 files and 2 GB; B, a 4 GiB disk image; C, 2 GiB of noise in 20 files.
 * `node bench/corpora.ts [--dir FOLDER] [--corpora A,B,C] [--small] [--check]` makes them by itself.
 */
import {
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { undoChange } from "./change.ts";
import { type Corpus, type CorpusName, corpusNames, type Manifest } from "./corpus.ts";
import { buildDiskImage } from "./disk-image.ts";
import { hasText, parseJson } from "./json.ts";
import { noiseStream } from "./noise.ts";
import { defaultCacheDirectory, folder } from "./places.ts";
import { buildSourceTree } from "./source-tree.ts";
import { summarizeTree } from "./tree.ts";

const NOISE_FILES = 20;
const NOISE_FILE_BYTES = 107_372_544;

/** The corpus in its original state: the one made earlier if its manifest is there, else a new one. */
export function prepareCorpus(name: CorpusName, cacheDirectory: string, small: boolean): Corpus {
  const scale = small ? "small" : "full";
  const home = folder(cacheDirectory, "corpora", scale);
  const directory = join(home, name);
  const manifestPath = join(home, `${name}.json`);
  const changeDirectory = join(home, `${name}.change`);
  if (existsSync(manifestPath)) {
    const manifest = parseJson(readFileSync(manifestPath, "utf8"), isManifest);
    undoChange(directory, changeDirectory);
    return { name, directory, changeDirectory, manifest };
  }
  for (const stale of [directory, changeDirectory]) rmSync(stale, { recursive: true, force: true });
  const unfinished = `${directory}.unfinished`;
  rmSync(unfinished, { recursive: true, force: true });
  const madeFrom = build(name, unfinished, cacheDirectory, small);
  renameSync(unfinished, directory);
  const manifest: Manifest = { corpus: name, scale, madeFrom, ...summarizeTree(directory) };
  writeFileSync(manifestPath, `${JSON.stringify(manifest, null, 2)}\n`);
  return { name, directory, changeDirectory, manifest };
}

function isManifest(value: unknown): value is Manifest {
  return hasText(value, "corpus") && hasText(value, "digest");
}

function build(name: CorpusName, target: string, cacheDirectory: string, small: boolean): string[] {
  if (name === "A") return buildSourceTree(target, cacheDirectory, small);
  if (name === "B") return buildDiskImage(target, prepareCorpus("A", cacheDirectory, small).directory, small);
  return buildNoise(folder(target), small);
}

function buildNoise(target: string, small: boolean): string[] {
  const bytes = small ? Math.floor(NOISE_FILE_BYTES / 20) : NOISE_FILE_BYTES;
  for (let index = 0; index < NOISE_FILES; index++) {
    const next = noiseStream(`holdfast bench noise ${index}`);
    const file = openSync(join(target, `noise-${String(index).padStart(2, "0")}.bin`), "w");
    for (let left = bytes; left > 0; left -= Math.min(left, 1 << 20))
      writeSync(file, next(Math.min(left, 1 << 20)));
    closeSync(file);
  }
  return ["AES-256-CTR"];
}

/** Says whether the corpus on disk still is what its manifest says. */
function checkCorpus(corpus: Corpus): boolean {
  return summarizeTree(corpus.directory).digest === corpus.manifest.digest;
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      dir: { type: "string", default: defaultCacheDirectory },
      corpora: { type: "string", default: corpusNames.join(",") },
      small: { type: "boolean", default: false },
      check: { type: "boolean", default: false },
    },
  });
  for (const name of corpusNames.filter((candidate) => values.corpora.split(",").includes(candidate))) {
    const corpus = prepareCorpus(name, values.dir, values.small);
    console.log(JSON.stringify(corpus.manifest));
    if (values.check && !checkCorpus(corpus)) {
      console.error(
        `corpus ${name} in ${corpus.directory} differs from its manifest: remove it to make it anew`,
      );
      process.exitCode = 1;
    }
  }
}
