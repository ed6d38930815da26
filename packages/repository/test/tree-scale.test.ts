/**
 * Speed and memory of writing very many entries. 300,000 by default, ten million with `SLOW=1`. In a file, and so a
 * process, of its own: it measures the process.
 */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { Entry } from "../src/tree/entry.ts";
import { EntryBatchBuilder } from "../src/tree/entry-batch.ts";
import type { RecordSink } from "../src/tree/records.ts";
import { TreeWriter } from "../src/tree/tree-writer.ts";
import { sampleId, SLOW } from "./tree-samples.ts";

const COUNT = SLOW ? 10_000_000 : 300_000;
const PER_DIRECTORY = 250;
const RSS_GROWTH_MAX = 120_000_000;
/** A tenth of what one core does, since tests share their machine; the run prints what it measured. */
const ENTRIES_PER_CPU_SECOND_MIN = 100_000;

const IDS = Array.from({ length: 1024 }, (_, index) => sampleId(String(index)));

function entryAt(index: number, id: Buffer): Entry {
  return {
    kind: "file",
    name: Buffer.from(`document-${String(index).padStart(8, "0")}.txt`),
    mode: 0o644,
    uid: 1000,
    gid: 1000,
    user: "alice",
    group: "users",
    mtimeSeconds: 1_700_000_000n,
    mtimeNanoseconds: index,
    xattrs: [],
    link: undefined,
    changedWhileRead: false,
    size: 100_000,
    content: { form: "segments", segments: [{ kind: "data", length: 100_000, id }] },
  };
}

/** Counts, and keeps nothing. */
class CountingSink implements RecordSink {
  records = 0;
  bytes = 0;
  refs = 0;

  has(): boolean {
    return false;
  }

  store(_type: number, _id: Buffer, plaintext: Uint8Array, refs: Buffer): void {
    this.records += 1;
    this.bytes += plaintext.length;
    this.refs += refs.length / 32;
  }
}

suite("scale", () => {
  test(`${String(COUNT)} entries in bounded memory`, (context) => {
    const sink = new CountingSink();
    let records = 0;
    const numbered = (): Buffer => {
      records += 1;
      const id = Buffer.alloc(32);
      id.writeUInt32LE(records);
      return id;
    };
    const writer = new TreeWriter(sink, numbered);
    const batch = new EntryBatchBuilder();
    const before = process.memoryUsage.rss();
    let highest = before;
    let cpuMicroseconds = 0;
    for (let index = 0, number = 0; index < COUNT; number += 1) {
      const directory = Buffer.from(`srv/data/project-${String(number).padStart(7, "0")}`);
      const entries = Array.from({ length: Math.min(PER_DIRECTORY, COUNT - index) }, (_, place) =>
        entryAt(index + place, IDS[(index + place) % IDS.length] ?? Buffer.alloc(32)),
      );
      const start = process.threadCpuUsage();
      for (const entry of entries) batch.add(entry);
      writer.append(directory, batch.finish());
      const used = process.threadCpuUsage(start);
      cpuMicroseconds += used.user + used.system;
      index += entries.length;
      if (number % 100 === 0) highest = Math.max(highest, process.memoryUsage.rss());
    }
    const root = writer.finish();
    assert.equal(root.entries, COUNT);
    assert.equal(root.bytes, COUNT * 100_000);
    assert(sink.refs >= sink.records - 1);
    const rate = COUNT / (cpuMicroseconds / 1e6);
    context.diagnostic(`${(rate / 1e3).toFixed(0)},000 entries a second of one core, without hashing`);
    context.diagnostic(`${String(sink.records)} records, ${(sink.bytes / COUNT).toFixed(1)} bytes an entry`);
    context.diagnostic(`memory grew by ${((highest - before) / 1e6).toFixed(0)} MB`);
    assert(highest - before < RSS_GROWTH_MAX, `${String(highest - before)} bytes more`);
    assert(rate > ENTRIES_PER_CPU_SECOND_MIN, `${rate.toFixed(0)} entries a second`);
  });
});
