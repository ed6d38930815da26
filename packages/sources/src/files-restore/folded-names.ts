/**
 * Names that are one and the same to a target which does not tell upper from lower case, or normal forms of Unicode.
 *
 * Such a target would take the second of two files for the first one: it would be skipped, or written over it.
 *
 * @module
 */
export class FoldedNames {
  #directory: Buffer | undefined;
  readonly #names = new Map<string, Buffer>();

  /** The earlier name in the same folder that the target takes for this one. Entries of a folder come one after another. */
  earlier(directory: Buffer, name: Buffer): Buffer | undefined {
    if (this.#directory?.equals(directory) !== true) {
      this.#directory = Buffer.from(directory);
      this.#names.clear();
    }
    const folded = name.toString("utf8").normalize("NFC").toLowerCase();
    const known = this.#names.get(folded);
    if (known === undefined) this.#names.set(folded, Buffer.from(name));
    return known;
  }
}
