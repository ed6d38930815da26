/**
 * Lines for a stream, handed over many at a time: a listing may have millions.
 *
 * @module
 */
import type { TextStream } from "./output.ts";

const HELD_CHARACTERS_MAX = 32 * 1024;

export class LineBuffer {
  readonly #stream: TextStream;
  #held = "";

  constructor(stream: TextStream) {
    this.#stream = stream;
  }

  add(line: string): void {
    this.#held += `${line}\n`;
    if (this.#held.length >= HELD_CHARACTERS_MAX) this.flush();
  }

  flush(): void {
    if (this.#held === "") return;
    const text = this.#held;
    this.#held = "";
    this.#stream.write(text);
  }
}
