/**
 * The limit of this machine on a corpus: the seconds that the unavoidable parts take, cold and warm.
 * `node bench/limits.ts [--dir FOLDER] [--corpora A,B,C] [--small]` prints them as JSON lines; `npm run bench:peers`
 * measures them in the same run as the programs and puts the results beside them.
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { prepareCorpus } from "./corpora.ts";
import { type Corpus, corpusNames } from "./corpus.ts";
import { LimitPipeline } from "./limit-pipeline.ts";
import { dropPageCache, warmPageCache } from "./measure.ts";
import { defaultCacheDirectory, folder } from "./places.ts";
import type { LimitPart, LimitRecord, StepName } from "./records.ts";

const STORE: readonly LimitPart[] = [
  "walk",
  "read",
  "zero test",
  "SHA-256",
  "zstd-3",
  "AES-256-GCM",
  "write packs",
];
const OPEN: readonly LimitPart[] = ["read packs", "decrypt", "decompress"];

/** The parts that each step cannot do without. A change costs different things in each corpus: no limit is given. */
export const unavoidableParts: Readonly<Record<StepName, readonly LimitPart[]>> = {
  "first-cold": STORE,
  "first-warm": STORE,
  same: ["walk"],
  change: [],
  restore: [...OPEN, "create files"],
  verify: [...OPEN, "check SHA-256"],
};

export function measureLimits(corpus: Corpus, workDirectory: string): LimitRecord[] {
  return (["cold", "warm"] as const).flatMap((cache) => measureLimit(corpus, cache, workDirectory));
}

function measureLimit(corpus: Corpus, cache: "cold" | "warm", workDirectory: string): LimitRecord[] {
  rmSync(workDirectory, { recursive: true, force: true });
  const work = folder(workDirectory);
  try {
    const pipeline = new LimitPipeline(corpus.directory, join(work, "pack"));
    dropPageCache();
    if (cache === "warm") warmPageCache(corpus.directory);
    pipeline.store();
    dropPageCache();
    // Nobody restores into a warm cache; once is enough.
    if (cache === "cold") pipeline.restore(join(work, "target"));
    return [...pipeline.times()].map(([part, time]) => ({
      kind: "limit",
      corpus: corpus.name,
      cache,
      part,
      ...time,
    }));
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      dir: { type: "string", default: defaultCacheDirectory },
      corpora: { type: "string", default: corpusNames.join(",") },
      small: { type: "boolean", default: false },
    },
  });
  for (const name of corpusNames.filter((candidate) => values.corpora.split(",").includes(candidate))) {
    const corpus = prepareCorpus(name, values.dir, values.small);
    for (const record of measureLimits(corpus, join(values.dir, "work"))) console.log(JSON.stringify(record));
  }
}
