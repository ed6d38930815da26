/**
 * What a good repository holds, and what would be lost with some of its records: computed with the second reader, so that
 * nothing of the engine decides what a test expects of it.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { openGcm } from "../reader/keys.ts";
import { type Pack, recordsOf, TYPES } from "../reader/packs.ts";
import { type ListedEntry, listing } from "../reader/main.ts";
import {
  type Copy,
  entriesOf,
  listCopies,
  openRepository,
  readRecord,
  type Repository,
} from "../reader/repository.ts";
import { type Entry, type Part as Content, pathOf, readList, readNode, readPage } from "../reader/tree.ts";

/** Where a record lies in its pack, and what is in it. */
export interface RecordLayout {
  readonly pack: string;
  readonly offset: number;
  readonly length: number;
  readonly type: number;
  /** The 112 bytes in clear. */
  readonly header: Buffer;
  readonly refsLength: number;
  /** Of the chunks in it, in hex. */
  readonly ids: readonly string[];
}

export interface PackLayout {
  /** `packs/<2 hex>/<hash>`. */
  readonly name: string;
  readonly pack: Pack;
  readonly frontLength: number;
  readonly records: readonly RecordLayout[];
  /** Where the padding ends and the sealed directory begins. */
  readonly paddingStart: number;
  readonly directoryStart: number;
}

/** An entry of a copy with everything that its content needs. */
interface NeededEntry {
  readonly path: Buffer;
  readonly entry: Entry;
  /** Chunks and lists, in hex. */
  readonly needs: readonly string[];
}

/** A page or node. */
interface Part {
  readonly id: string;
  /** The first path in it; empty for all of the tree. */
  readonly first: Buffer;
  readonly children: readonly Part[];
  readonly entries: readonly NeededEntry[];
}

export interface CopyModel {
  readonly id: string;
  readonly root: Part;
  /** By path in latin1. */
  readonly listed: ReadonlyMap<string, ListedEntry>;
}

/** What some lost records cost. */
export interface Loss {
  readonly copies: readonly string[];
  /** As a verification shows them. */
  readonly paths: readonly string[];
  /** By copy: paths in latin1 of entries that no restore can bring back. */
  readonly entries: ReadonlyMap<string, ReadonlySet<string>>;
  /** By copy: paths in latin1 by which a restore tells it: files, and where a lost part begins. */
  readonly told: ReadonlyMap<string, ReadonlySet<string>>;
}

const shown = (path: Buffer): string => `/${path.toString("utf8")}`;
const ALL_OF_THE_TREE = Buffer.alloc(0);

export class Model {
  readonly repository: Repository;
  readonly copies: readonly CopyModel[];
  readonly packs: readonly PackLayout[];

  constructor(folder: string, secret: Buffer | undefined) {
    this.repository = openRepository(folder, secret);
    this.packs = this.repository.packs.map((pack) => this.#layoutOf(pack));
    this.copies = listCopies(this.repository)
      .toSorted((one, other) => one.timeMs - other.timeMs)
      .map((copy) => ({
        id: copy.id,
        root: this.#part(copy.root.id, copy.root.type, ALL_OF_THE_TREE),
        listed: this.#listed(copy),
      }));
  }

  get records(): readonly RecordLayout[] {
    return this.packs.flatMap(({ records }) => records);
  }

  /** What nobody can read any more once these records are gone; a chunk is good as long as one place of it is. */
  lossOf(isLost: (record: RecordLayout) => boolean, lostIds?: readonly string[]): Loss {
    const isGood = (record: RecordLayout, id: string): boolean =>
      !isLost(record) || (lostIds !== undefined && !lostIds.includes(id));
    const good = new Set(this.records.flatMap((record) => record.ids.filter((id) => isGood(record, id))));
    const copies = new Set<string>();
    const paths = new Set<string>();
    const entries = new Map<string, Set<string>>();
    const told = new Map<string, Set<string>>();
    for (const copy of this.copies) {
      const lost = new Set<string>();
      const said = new Set<string>();
      const visit = (part: Part): void => {
        if (!good.has(part.id)) {
          paths.add(shown(part.first));
          said.add(part.first.toString("latin1"));
          for (const { path } of below(part)) lost.add(path.toString("latin1"));
          return;
        }
        for (const { path, needs } of part.entries) {
          if (needs.every((id) => good.has(id))) continue;
          lost.add(path.toString("latin1"));
          said.add(path.toString("latin1"));
          paths.add(shown(path));
        }
        for (const child of part.children) visit(child);
      };
      visit(copy.root);
      if (lost.size > 0) copies.add(copy.id);
      entries.set(copy.id, lost);
      told.set(copy.id, said);
    }
    return { copies: [...copies], paths: [...paths], entries, told };
  }

  #listed(copy: Copy): ReadonlyMap<string, ListedEntry> {
    const listed = listing(this.repository, copy.id);
    const paths = [...entriesOf(this.repository, copy)].map((entry) => pathOf(entry).toString("latin1"));
    return new Map(listed.map((entry, index) => [paths[index] ?? "", entry]));
  }

  #part(id: Buffer, type: number, first: Buffer): Part {
    const hex = id.toString("hex");
    if (type === TYPES.page) {
      const entries = readRecord(this.repository, id, type, readPage).map((entry) => this.#entry(entry));
      return { id: hex, first, children: [], entries };
    }
    const { level, children } = readRecord(this.repository, id, type, readNode);
    const lower = children.map((child) =>
      this.#part(child.id, level === 1 ? TYPES.page : TYPES.node, pathOf(child)),
    );
    return { id: hex, first, children: lower, entries: [] };
  }

  #entry(entry: Entry): NeededEntry {
    return { path: pathOf(entry), entry, needs: this.#idsOf(entry.content) };
  }

  /** Of the chunks and lists of some content. */
  #idsOf(content: readonly Content[]): string[] {
    return content.flatMap((part) => {
      if (part.kind === "data") return [part.id.toString("hex")];
      if (part.kind !== "list") return [];
      const list = readRecord(this.repository, part.id, TYPES.list, readList);
      return [part.id.toString("hex"), ...this.#idsOf(list.parts)];
    });
  }

  #layoutOf(pack: Pack): PackLayout {
    const { name } = pack;
    const records = recordsOf(pack).map(({ offset, length, type, members }): RecordLayout => {
      const header = this.#headerAt(pack, offset);
      const ids = members.map(({ id }) => id.toString("hex"));
      return { pack: name, offset, length, type, header, refsLength: header.readUInt32LE(12), ids };
    });
    const last = records.at(-1);
    const directoryStart = pack.length - 24 - 16 - 48 * pack.places.length;
    const paddingStart = last === undefined ? directoryStart : last.offset + last.length;
    return {
      name,
      pack,
      frontLength: 64 + 1248 * pack.envelopes.size,
      records,
      paddingStart,
      directoryStart,
    };
  }

  #headerAt(pack: Pack, offset: number): Buffer {
    const nonce = Buffer.alloc(12);
    nonce.writeUInt32LE(offset);
    const aad = Buffer.concat([Buffer.from("header"), this.repository.keys.repository]);
    const sealed = readFileSync(pack.path).subarray(offset, offset + 128);
    return openGcm(pack.key, nonce, aad, sealed);
  }
}

function below(part: Part): NeededEntry[] {
  return [...part.entries, ...part.children.flatMap(below)];
}
