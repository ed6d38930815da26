/**
 * A copy of a sample's repository, to be damaged: what somebody with the storage can do, and what it takes keys for.
 *
 * @module
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import fs from "node:fs";
import { dirname, join } from "node:path";
import type { Keys } from "../reader/keys.ts";
import { SeededRandom } from "../seeded-random.ts";
import type { Model, PackLayout, RecordLayout } from "./copy-model.ts";
import type { Sample } from "./sample.ts";

export const sha256 = (bytes: Uint8Array): Buffer => createHash("sha256").update(bytes).digest();

export class RepositoryInHand {
  readonly folder: string;
  readonly sample: Sample;
  readonly random: SeededRandom;

  constructor(folder: string, sample: Sample, seed: string) {
    fs.cpSync(sample.folder, folder, { recursive: true });
    this.folder = folder;
    this.sample = sample;
    this.random = new SeededRandom(seed);
  }

  get model(): Model {
    return this.sample.model;
  }

  /** All keys: of an attacker who has the write and the maintain capability, or of nobody in particular. */
  get keys(): Keys {
    return this.model.repository.keys;
  }

  read(name: string): Buffer {
    return fs.readFileSync(join(this.folder, name));
  }

  write(name: string, bytes: Uint8Array): void {
    const path = join(this.folder, name);
    fs.mkdirSync(dirname(path), { recursive: true });
    fs.rmSync(path, { force: true });
    fs.writeFileSync(path, bytes);
  }

  remove(name: string): void {
    fs.rmSync(join(this.folder, name));
  }

  /** Under the name that its hash gives. */
  add(prefix: string, bytes: Uint8Array): string {
    const hex = sha256(bytes).toString("hex");
    const name = prefix === "packs" ? `packs/${hex.slice(0, 2)}/${hex}` : `${prefix}/${hex}`;
    this.write(name, bytes);
    return name;
  }

  /** Puts other bytes in the place of an object, under the name that fits them. */
  replace(name: string, bytes: Uint8Array): string {
    this.remove(name);
    return this.add(name.slice(0, name.indexOf("/")), bytes);
  }

  /** Changes one bit somewhere from `start` to `end` (exclusive). */
  flip(name: string, start: number, end: number): void {
    assert(end > start);
    this.change(name, start + this.random.below(end - start), 1 << this.random.below(8));
  }

  change(name: string, at: number, mask: number): void {
    const bytes = this.read(name);
    bytes.writeUInt8(bytes.readUInt8(at) ^ mask, at);
    this.write(name, bytes);
  }

  exchange(one: string, other: string): void {
    const bytes = this.read(one);
    this.write(one, this.read(other));
    this.write(other, bytes);
  }

  /** The only object of this kind that a backup brought. */
  object(prefix: string, by: keyof Sample["objects"] = "first"): string {
    const [name, ...others] = this.sample.objects[by].filter((one) => one.startsWith(`${prefix}/`));
    assert(name !== undefined && others.length === 0, `one object in ${prefix}/ by ${by}`);
    return name;
  }

  /** A pack by what is in it. */
  pack(kind: "data" | "metadata", by: keyof Sample["objects"] = "first"): PackLayout {
    const found = this.model.packs.filter(
      ({ name, pack }) => this.sample.objects[by].includes(name) && pack.kind === (kind === "data" ? 1 : 2),
    );
    const [layout] = found;
    assert(layout !== undefined && found.length === 1, `one ${kind} pack by ${by}`);
    return layout;
  }

  /** A record of this type in a pack of the first backup, any one. */
  record(type: 1 | 2 | 3 | 4 | 5): RecordLayout {
    const { records } = this.pack(type < 3 ? "data" : "metadata");
    return this.random.pick(records.filter((record) => record.type === type));
  }
}
