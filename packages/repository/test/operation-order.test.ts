/**
 * Who writes, cleans or replicates calls the storage in the order of docs/format.md, section 9. What a wrong order loses, it loses
 * once in thousands of runs: here the order itself is looked at.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { suite, test } from "node:test";
import { MemoryStorage, type Storage } from "@holdfast/storage";
import { clean } from "../src/maintenance/clean.ts";
import { forgetCopies } from "../src/maintenance/forget.ts";
import { replicate } from "../src/maintenance/replicate.ts";
import type { Repository } from "../src/repository.ts";
import { BEAT_INTERVAL_MS } from "../src/sessions/session-object.ts";
import { Session } from "../src/sessions/session.ts";
import { WriteSession } from "../src/sessions/write-session.ts";
import { withCalls } from "./changed-storage.ts";
import { newRepository, writeCopy } from "./fixture-writer.ts";
import { file, SMALL_PACKS } from "./maintenance-parts.ts";

/** What is done, in a word or two; the same several times in a row is there once. */
class Trace {
  readonly steps: string[] = [];
  readonly storage: Storage;

  constructor(storage: Storage) {
    this.storage = withCalls(storage, {
      put: (name, bytes, options) => {
        this.#note("put", name);
        return storage.put(name, bytes, options);
      },
      list: (prefix, signal) => {
        this.#note("list", prefix);
        return storage.list(prefix, signal);
      },
      stat: (name) => {
        // The only question that matters is whether the own session is there still.
        if (name.startsWith("sessions/")) this.steps.push("prove");
        return storage.stat(name);
      },
      delete: (name) => {
        this.#note("delete", name);
        return storage.delete(name);
      },
    });
  }

  #note(what: string, name: string): void {
    const step = `${what} ${name.replace(/\/.*$/u, "")}`;
    if (this.steps.at(-1) !== step) this.steps.push(step);
  }
}

function traced(repository: Repository): Trace & { readonly repository: Repository } {
  const trace = new Trace(repository.ports.storage);
  return Object.assign(trace, {
    repository: { ...repository, ports: { ...repository.ports, storage: trace.storage } },
  });
}

const NEW_SEGMENT_FOR_OLD = "prove, put index, prove, delete index";

function assertSteps(steps: readonly string[], ...expected: readonly string[]): void {
  assert.equal(steps.join(", "), expected.join(", "));
}

suite("the order of operations", () => {
  test("of a writer: its session, what it may rely on, what it stores, and the copy between two proofs", async () => {
    const { repository } = await newRepository();
    const { steps, repository: seen } = traced(repository);
    await writeCopy(seen, [file("a", randomBytes(9000))], SMALL_PACKS);
    assertSteps(
      steps,
      "put sessions, list condemned, list sessions, list index, put packs, put index",
      "prove, put copies, prove, delete sessions",
    );
  });

  test("of a writer that merges segments: new ones are proved before old ones go", async () => {
    const { repository } = await newRepository();
    await writeCopy(repository, [file("a", randomBytes(9000))], SMALL_PACKS);
    const { steps, repository: seen } = traced(repository);
    await writeCopy(seen, [file("b", randomBytes(9000))], { ...SMALL_PACKS, segmentsMax: 0 });
    assertSteps(
      steps,
      "put sessions, list condemned, list sessions, list index, put packs, put index",
      NEW_SEGMENT_FOR_OLD,
      "prove, put copies, prove, delete sessions",
    );
  });

  test("of a cleaner: condemns, looks who is there and what copies there are, and then deletes", async () => {
    const { repository } = await newRepository();
    const id = await writeCopy(repository, [file("a", randomBytes(9000))], SMALL_PACKS);
    await writeCopy(repository, [file("b", randomBytes(9000))], SMALL_PACKS);
    await forgetCopies(repository, [id]);
    const { steps, repository: seen } = traced(repository);
    await clean(seen);
    assertSteps(
      steps,
      "put sessions, list sessions, prove, list condemned, list waits, list copies",
      // When it began, by the storage's clock, is asked of its own session, too.
      "prove, list index, list packs, prove, put condemned, list sessions, prove",
      "list copies, list index",
      NEW_SEGMENT_FOR_OLD,
      "prove, delete packs, delete condemned, delete sessions",
    );
  });

  test("of a cleaner that goes on where another one waited: what was condemned goes before what is noted about it", async () => {
    const { repository } = await newRepository();
    const id = await writeCopy(repository, [file("a", randomBytes(9000))], SMALL_PACKS);
    await forgetCopies(repository, [id]);
    const writer = await WriteSession.begin(repository, { compressionLevel: 0 });
    await clean(repository);
    await writer.abandon();
    const { steps, repository: seen } = traced(repository);
    await clean(seen);
    assert.deepEqual(steps.slice(-4), [
      "delete packs",
      "delete condemned",
      "delete waits",
      "delete sessions",
    ]);
  });

  test("of a replication: packs, their index, and each copy between two proofs", async () => {
    const { repository } = await newRepository();
    await writeCopy(repository, [file("a", randomBytes(9000))], SMALL_PACKS);
    await writeCopy(repository, [file("b", randomBytes(9000))], SMALL_PACKS);
    const { steps, storage } = new Trace(new MemoryStorage());
    await replicate(repository, storage);
    assertSteps(
      steps,
      "put slots, put config, list slots, put sessions, list condemned, list index",
      "put packs, put index, prove, put copies, prove, prove, put copies, prove",
      "list index, delete sessions",
    );
  });

  test("of the end of a session: its first object goes last", async () => {
    const { repository, storage } = await newRepository();
    const clock = { now: () => nowMs, monotonic: () => nowMs, sleep: async () => undefined };
    let nowMs = Date.now();
    const deleted: string[] = [];
    const watched = withCalls(storage, {
      delete: (name) => {
        deleted.push(name.slice(-6));
        return storage.delete(name);
      },
    });
    const session = await Session.start(
      randomBytes(16),
      "writer",
      { ...repository.ports, storage: watched, clock },
      repository.keys,
    );
    nowMs += BEAT_INTERVAL_MS;
    await session.keepAlive();
    await session.end();
    assert.deepEqual(deleted, ["000002", "000001"]);
  });
});
