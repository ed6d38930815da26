/**
 * Checks packs and index segments that lie in memory: the work of one thread.
 *
 * @module
 */
import { sha256 } from "@holdfast/crypto";
import { ByteReader, keepFreedMemory } from "@holdfast/kernel";
import { readSegment } from "../chunk-index/index.ts";
import { readHead } from "../format/head.ts";
import { hashOfName } from "../format/object-names.ts";
import type { KeySet } from "../keys/key-set.ts";
import { readingKeys } from "../reading/posted-keys.ts";
import { RecordDecoder } from "../reading/record-decoder.ts";
import { checkPack, checkPackWithoutKeys, collect } from "./check-pack.ts";
import type { CheckDone, CheckTask, VerifySetup } from "./messages.ts";

export class ObjectChecker {
  readonly #slots: readonly Buffer[];
  readonly #repository: Buffer | undefined;
  readonly #keys: KeySet | undefined;
  readonly #decoder: RecordDecoder | undefined;

  constructor({ level, repository, keys, slots }: VerifySetup) {
    keepFreedMemory();
    this.#slots = slots.map(({ buffer }) => Buffer.from(buffer));
    this.#repository = repository === undefined ? undefined : Buffer.from(repository);
    this.#keys = keys === undefined ? undefined : readingKeys(keys);
    this.#decoder = this.#keys !== undefined && level === "data" ? new RecordDecoder(this.#keys) : undefined;
  }

  check({ name, object, slot, length }: CheckTask): CheckDone {
    const bytes = this.#slots[slot]?.subarray(0, length) ?? Buffer.alloc(0);
    if (object === "index")
      return { kind: "done", problems: this.#segmentProblems(bytes, name), sum: undefined };
    if (this.#keys === undefined) {
      return { kind: "done", problems: checkPackWithoutKeys(bytes, name, this.#repository), sum: undefined };
    }
    const { problems, sum } = checkPack(bytes, name, { keys: this.#keys, decoder: this.#decoder });
    return { kind: "done", problems, sum: sum?.values };
  }

  close(): void {
    this.#decoder?.wipe();
  }

  #segmentProblems(bytes: Buffer, name: string): readonly string[] {
    const problems: string[] = [];
    if (!sha256(bytes).equals(hashOfName(name) ?? Buffer.alloc(0))) {
      problems.push("Its content does not match its name.");
    }
    const keys = this.#keys;
    collect(problems, () => {
      readHead(new ByteReader(bytes, `The object ${name}`), "index", this.#repository);
      if (keys !== undefined) readSegment(keys, name, bytes).check();
    });
    return problems;
  }
}
