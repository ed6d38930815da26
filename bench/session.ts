/** One tool once through one corpus: fresh repository and cache, the chosen steps in order, everything removed. */
import { existsSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { changeOnePercent, undoChange } from "./change.ts";
import type { Corpus } from "./corpus.ts";
import { type Command, dropPageCache, measure, storedBytes, warmPageCache } from "./measure.ts";
import { folder } from "./places.ts";
import type { StepName, StepRecord } from "./records.ts";
import type { Place, Tool } from "./tools.ts";
import { summarizeTree } from "./tree.ts";

export interface SessionOptions {
  readonly steps: ReadonlySet<StepName>;
  readonly run: number;
  readonly timeProgram: string;
  readonly workDirectory: string;
  /** Whether the restored files are compared with the source, outside the measured time. */
  readonly checkRestored: boolean;
}

/** Runs the steps and hands each record to `report` as it is made. Throws when a step fails. */
export function runSession(
  tool: Tool,
  corpus: Corpus,
  options: SessionOptions,
  report: (record: StepRecord) => void,
): void {
  // What an interrupted run left behind.
  rmSync(options.workDirectory, { recursive: true, force: true });
  const session = new Session(tool, corpus, options, report);
  try {
    session.runSteps();
  } finally {
    undoChange(corpus.directory, corpus.changeDirectory);
    rmSync(options.workDirectory, { recursive: true, force: true });
  }
}

class Session {
  readonly #tool: Tool;
  readonly #corpus: Corpus;
  readonly #options: SessionOptions;
  readonly #report: (record: StepRecord) => void;
  readonly #place: Place;
  #label = "";
  #storedBytes = 0;

  constructor(tool: Tool, corpus: Corpus, options: SessionOptions, report: (record: StepRecord) => void) {
    this.#tool = tool;
    this.#corpus = corpus;
    this.#options = options;
    this.#report = report;
    const work = options.workDirectory;
    this.#place = {
      source: corpus.directory,
      repository: join(work, "repository"),
      cache: join(work, "cache"),
      target: join(work, "target"),
    };
  }

  runSteps(): void {
    const { steps } = this.#options;
    if (steps.has("first-cold") || !steps.has("first-warm")) this.#first("first-cold");
    if (steps.has("first-warm")) this.#first("first-warm");
    if (steps.has("same")) this.#backUp("same");
    if (steps.has("change")) {
      changeOnePercent(this.#corpus.name, this.#corpus.directory, this.#corpus.changeDirectory);
      this.#backUp("change");
    }
    if (steps.has("restore")) this.#restore();
    if (steps.has("verify")) this.#step("verify", this.#tool.verify(this.#place));
  }

  #first(step: "first-cold" | "first-warm"): void {
    for (const path of [this.#place.repository, this.#place.cache])
      rmSync(path, { recursive: true, force: true });
    folder(this.#place.cache);
    measure(
      this.#tool.initialize(this.#place),
      this.#options.timeProgram,
      folder(this.#options.workDirectory),
    );
    if (!existsSync(this.#place.repository)) throw new Error(`${this.#tool.name} made no repository`);
    this.#storedBytes = storedBytes(this.#place.repository);
    this.#backUp(step);
  }

  #backUp(step: StepName): void {
    this.#label = step;
    this.#step(step, this.#tool.backUp(this.#place, step));
  }

  #restore(): void {
    folder(this.#place.target);
    this.#step("restore", this.#tool.restore(this.#place, this.#label));
    if (this.#options.checkRestored) this.#checkRestored();
    rmSync(this.#place.target, { recursive: true });
  }

  #step(step: StepName, command: Command): void {
    const { timeProgram, workDirectory, run } = this.#options;
    dropPageCache();
    if (step === "first-warm") warmPageCache(this.#place.source);
    for (const path of this.#tool.programFolders) warmPageCache(path);
    measure(this.#tool.warmUp(this.#place), timeProgram, workDirectory);
    const measurement = measure(command, timeProgram, workDirectory);
    const before = this.#storedBytes;
    this.#storedBytes = storedBytes(this.#place.repository);
    // An unasked first backup only lays the ground for the steps that were asked for.
    if (!this.#options.steps.has(step)) return;
    this.#report({
      kind: "step",
      corpus: this.#corpus.name,
      tool: this.#tool.name,
      step,
      run,
      ...measurement,
      storedBytes: this.#storedBytes,
      addedBytes: this.#storedBytes - before,
    });
  }

  #checkRestored(): void {
    const { source, target } = this.#place;
    // Programs differ in how much of the source's path they repeat below the target.
    const candidates = [join(target, source), join(target, basename(source)), target];
    const restored = candidates.find((path) => existsSync(path)) ?? target;
    if (summarizeTree(restored).digest === summarizeTree(source).digest) return;
    throw new Error(`${this.#tool.name} restored something else than corpus ${this.#corpus.name}`);
  }
}
