/**
 * A set of packs, in memory without an object for each: a repository has millions.
 *
 * 16 bytes of each SHA-256 are kept. Nobody can find two packs with the same 128 bits in a useful time; and then one of them
 * would merely not be adopted.
 *
 * @module
 */
const PREFIX_WORDS = 4;
const SLOTS_FIRST = 1024;

export class PackNames {
  #words = new Int32Array(SLOTS_FIRST * PREFIX_WORDS);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Whether the pack with the SHA-256 at `offset` is in the set. */
  has(sha256: Uint8Array, offset = 0): boolean {
    return !isFree(this.#words, this.#slotOf(wordsAt(sha256, offset)));
  }

  add(sha256: Uint8Array, offset = 0): void {
    const words = wordsAt(sha256, offset);
    const at = this.#slotOf(words);
    if (!isFree(this.#words, at)) return;
    this.#words.set(words, at);
    this.#size += 1;
    if (this.#size * PREFIX_WORDS * 2 > this.#words.length) this.#grow();
  }

  /** Where the words are, or the free place where they would be. */
  #slotOf(words: Int32Array): number {
    const end = this.#words.length;
    const first = ((words[0] ?? 0) >>> 0) % (end / PREFIX_WORDS);
    for (let at = first * PREFIX_WORDS; ; at = (at + PREFIX_WORDS) % end) {
      if (isFree(this.#words, at) || isEqual(this.#words, at, words)) return at;
    }
  }

  #grow(): void {
    const old = this.#words;
    this.#words = new Int32Array(old.length * 2);
    for (let at = 0; at < old.length; at += PREFIX_WORDS) {
      if (isFree(old, at)) continue;
      const words = old.subarray(at, at + PREFIX_WORDS);
      this.#words.set(words, this.#slotOf(words));
    }
  }
}

const scratch = new Int32Array(PREFIX_WORDS);

function wordsAt(bytes: Uint8Array, offset: number): Int32Array {
  for (let word = 0; word < PREFIX_WORDS; word += 1) {
    const at = offset + word * 4;
    scratch[word] =
      (bytes[at] ?? 0) |
      ((bytes[at + 1] ?? 0) << 8) |
      ((bytes[at + 2] ?? 0) << 16) |
      ((bytes[at + 3] ?? 0) << 24);
  }
  return scratch;
}

/** The SHA-256 of no pack begins with 128 zero bits. */
function isFree(words: Int32Array, at: number): boolean {
  return words[at] === 0 && words[at + 1] === 0 && words[at + 2] === 0 && words[at + 3] === 0;
}

function isEqual(words: Int32Array, at: number, other: Int32Array): boolean {
  return (
    words[at] === other[0] &&
    words[at + 1] === other[1] &&
    words[at + 2] === other[2] &&
    words[at + 3] === other[3]
  );
}
