/**
 * One run over the source: hands out tasks, takes answers, stores packs, until everything is done or something fails.
 *
 * @module
 */
import { AppError, createMinorCollection } from "@holdfast/kernel";
import {
  type ArenaMemory,
  type ClaimTable,
  MetadataPacks,
  PackArena,
  type SealedSlot,
  type SegmentDescription,
  type WriteSession,
  type WrittenTree,
} from "@holdfast/repository";
import type { BlockTarget } from "./change-cache/block-writer.ts";
import { type CacheBlock, CONTROL, type WarningRecord, type WorkerMessage } from "./messages.ts";
import { MetadataSink } from "./metadata-sink.ts";
import { TaskList } from "./task-list.ts";
import { TreeAssembler } from "./tree-assembler.ts";
import type { WorkerPool } from "./worker-pool.ts";
import type { WorkerSetup } from "./worker-setup.ts";

/** What a run writes to; nothing in a dry run. */
export interface RunStore {
  readonly session: WriteSession;
  readonly arena: ArenaMemory;
  readonly claims: ClaimTable;
  readonly cache: BlockTarget | undefined;
}

/** What came of a run. */
export interface RunOutcome {
  readonly tree: WrittenTree;
  readonly cacheBlocks: readonly CacheBlock[];
  /** New plaintext of metadata. */
  readonly metadataBytesAdded: number;
}

/** The main thread's own part of the work. */
interface Assembly {
  readonly arena: PackArena;
  readonly metadata: MetadataPacks;
  readonly sink: MetadataSink;
  readonly tree: TreeAssembler;
}

export interface RunOptions {
  readonly pool: WorkerPool;
  readonly setups: readonly WorkerSetup[];
  readonly control: Int32Array;
  readonly store: RunStore | undefined;
  readonly warn: (warning: WarningRecord) => void;
  readonly signal: AbortSignal | undefined;
}

/** Metadata packs that may be on their way to the storage while the tree goes on. */
const METADATA_IN_FLIGHT = 1;
/** A walk through millions of unchanged files stores nothing for a long time; the session must still be seen. */
const KEEP_ALIVE_MS = 60_000;
/** Answers come in memory of their own. */
const COLLECT_AFTER_BYTES = 8 * 1024 * 1024;
/** Claims are forgotten in time: see ClaimTable. */
const CLAIMS_LOAD_MAX = 0.5;

export class BackupRun {
  readonly #options: RunOptions;
  readonly #list: TaskList;
  readonly #pool: WorkerPool;
  readonly #assembly: Assembly | undefined;
  readonly #storing = new Set<Promise<void>>();
  readonly #finished = Promise.withResolvers<void>();
  readonly #noteAllocated = createMinorCollection(COLLECT_AFTER_BYTES);
  #isAssembling = false;
  #failure: { readonly error: unknown } | undefined;
  #workersFinished = 0;
  #segmentsSent = 0;
  #segmentsKnown = 0;
  #rotating = false;

  constructor(options: RunOptions) {
    this.#options = options;
    const { store } = options;
    this.#list = new TaskList(store !== undefined);
    if (store !== undefined) this.#assembly = this.#newAssembly(store);
    this.#finished.promise.catch(() => undefined);
    this.#pool = options.pool;
    this.#pool.begin(options.setups, {
      onMessage: (message) => {
        this.#receive(message);
      },
      onFailure: (error) => {
        this.#fail(error);
      },
    });
  }

  /** Undefined after a dry run. @throws what failed; nothing of the run goes on then. */
  async run(): Promise<RunOutcome | undefined> {
    const { signal } = this.#options;
    const cancel = (): void => {
      this.#fail(cancelled());
    };
    const beat = setInterval(() => {
      this.#keepAlive();
    }, KEEP_ALIVE_MS);
    try {
      if (signal?.aborted === true) throw cancelled();
      signal?.addEventListener("abort", cancel, { once: true });
      this.#dispatch();
      await this.#finished.promise;
      return await this.#complete();
    } finally {
      clearInterval(beat);
      signal?.removeEventListener("abort", cancel);
      this.#assembly?.arena.fail();
      await this.#pool.terminate();
      await Promise.allSettled(this.#storing);
    }
  }

  /** Called for every index segment the session writes. */
  addSegment(segment: SegmentDescription): void {
    if (this.#workersFinished > 0) return;
    this.#segmentsSent += this.#pool.size;
    this.#pool.broadcast({ kind: "segment", segment });
  }

  #newAssembly({ session, arena: memory, claims, cache }: RunStore): Assembly {
    const { keys } = session.repository;
    const { envelope } = session.key;
    const owner = { repository: keys.repository, tableKey: keys.tableKey };
    const arena = new PackArena(memory, { ...owner, envelope }, (sealed) => {
      this.#store(sealed);
    });
    const metadata = new MetadataPacks({
      owner,
      envelope,
      sealer: session.newSealer(arena.nextCounter),
      store: (pack) => session.storePack(pack),
    });
    const sink = new MetadataSink(session, claims, metadata);
    const tree = new TreeAssembler({ sink, idOf: session.idOf, cache, warn: this.#options.warn });
    return { arena, metadata, sink, tree };
  }

  /** Everything has been read: stores what is still open and completes the tree. */
  async #complete(): Promise<RunOutcome | undefined> {
    const assembly = this.#assembly;
    if (assembly === undefined) return undefined;
    assembly.arena.flush(true);
    const tree = assembly.tree.finish();
    await assembly.metadata.finish();
    await Promise.all(this.#storing);
    this.#throwIfFailed();
    return {
      tree,
      cacheBlocks: assembly.tree.cacheBlocks,
      metadataBytesAdded: assembly.sink.bytesAdded,
    };
  }

  #receive(message: WorkerMessage): void {
    switch (message.kind) {
      case "walked":
        for (const warning of message.warnings) this.#options.warn(warning);
        this.#list.complete(message);
        this.#goOn();
        return;
      case "piece": {
        const pieces = this.#list.completePiece(message);
        this.#assembly?.tree.collect(pieces);
        this.#goOn();
        return;
      }
      case "pack":
        this.#store(message.sealed);
        return;
      case "indexed":
        this.#noteIndexed();
        return;
      case "finished":
        this.#workersFinished += 1;
        if (this.#workersFinished === this.#pool.size) this.#finished.resolve();
        return;
      case "failed":
    }
  }

  #goOn(): void {
    this.#dispatch();
    this.#assemble().catch((error: unknown) => {
      this.#fail(error);
    });
  }

  #dispatch(): void {
    const size = this.#pool.size;
    this.#pool.dispatch(() => this.#list.nextTask(size));
    Atomics.store(this.#options.control, CONTROL.wanted, this.#pool.idle);
  }

  /** Takes what is done from the front of the list, and waits where the storage cannot follow. */
  async #assemble(): Promise<void> {
    if (this.#isAssembling) return;
    this.#isAssembling = true;
    try {
      for (let done = this.#list.takeDone(); done !== undefined; done = this.#list.takeDone()) {
        if (this.#assembly === undefined) continue;
        this.#assembly.tree.add(done);
        if (done.kind === "entries") this.#noteAllocated(done.held);
        await this.#assembly.metadata.settle(METADATA_IN_FLIGHT);
        this.#throwIfFailed();
      }
    } finally {
      this.#isAssembling = false;
    }
    if (this.#list.isEmpty) this.#finishWorkers();
    else this.#dispatch();
  }

  #keepAlive(): void {
    this.#options.store?.session.keepAlive().catch((error: unknown) => {
      this.#fail(error);
    });
  }

  #finishWorkers(): void {
    this.#pool.expectEnd();
    this.#pool.broadcast({ kind: "finish" });
  }

  #store(sealed: SealedSlot): void {
    const { store } = this.#options;
    if (store === undefined || this.#failure !== undefined) return;
    const storing = this.#storePack(store, sealed)
      .catch((error: unknown) => {
        this.#fail(error);
      })
      .finally(() => this.#storing.delete(storing));
    this.#storing.add(storing);
  }

  async #storePack({ session, claims }: RunStore, sealed: SealedSlot): Promise<void> {
    const arena = this.#assembly?.arena;
    if (arena === undefined) return;
    await session.storePack(arena.view(sealed));
    arena.release(sealed.slot);
    if (claims.load() < CLAIMS_LOAD_MAX || this.#rotating) return;
    this.#rotating = true;
    await session.flushIndex();
  }

  /** Every worker knows what has been stored: the older half of the claims is not needed any more. */
  #noteIndexed(): void {
    this.#segmentsKnown += 1;
    if (this.#segmentsKnown < this.#segmentsSent || !this.#rotating) return;
    this.#options.store?.claims.rotate();
    this.#rotating = false;
  }

  #fail(error: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = { error };
    this.#assembly?.arena.fail();
    this.#finished.reject(error);
  }

  #throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}

function cancelled(): AppError {
  return new AppError("ERR_CANCELLED", "The backup was cancelled.", {
    remedy: "Run it again: what was written is used.",
  });
}
