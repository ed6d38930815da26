import type { ListedObject } from "./object-list.ts";
import type { VerifyProgress } from "./report.ts";

/** Counts what was read, and tells how far that is. */
export class VerifyTally {
  #objects = 0;
  #bytes = 0;
  readonly #objectsTotal: number;
  readonly #bytesTotal: number;
  readonly #onProgress: ((progress: VerifyProgress) => void) | undefined;

  constructor(
    objects: readonly ListedObject[],
    onProgress: ((progress: VerifyProgress) => void) | undefined,
  ) {
    this.#objectsTotal = objects.length;
    this.#bytesTotal = objects.reduce((sum, { size }) => sum + size, 0);
    this.#onProgress = onProgress;
  }

  get counts(): { readonly objects: number; readonly bytes: number } {
    return { objects: this.#objects, bytes: this.#bytes };
  }

  add(bytes: number): void {
    this.#objects += 1;
    this.#bytes += bytes;
    this.#onProgress?.({ ...this.counts, objectsTotal: this.#objectsTotal, bytesTotal: this.#bytesTotal });
  }
}
