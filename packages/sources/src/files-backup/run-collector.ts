import type { DirectoryRun } from "./messages.ts";
import { joinNames, type PathText } from "./path-text.ts";

/** Gathers the directories found in one directory, in order, into as few runs as their devices allow. */
export class RunCollector {
  readonly #parent: PathText;
  readonly #runs: DirectoryRun[] = [];
  #names: PathText[] = [];
  #rootDevice = 0;

  constructor(parent: PathText) {
    this.#parent = parent;
  }

  add(name: PathText, rootDevice: number): void {
    if (this.#names.length > 0 && rootDevice !== this.#rootDevice) this.#close();
    this.#rootDevice = rootDevice;
    this.#names.push(name);
  }

  take(): readonly DirectoryRun[] {
    this.#close();
    return this.#runs;
  }

  #close(): void {
    if (this.#names.length === 0) return;
    this.#runs.push({
      parent: this.#parent,
      names: joinNames(this.#names),
      rootDevice: this.#rootDevice,
    });
    this.#names = [];
  }
}
