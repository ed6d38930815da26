/**
 * Does the tasks of one worker.
 *
 * @module
 */
import { deriveKey, frameKeys, suiteByCode } from "@holdfast/crypto";
import {
  type ChunkIndex,
  ClaimTable,
  GEAR_TABLE_BYTES,
  gearTable,
  idHasher,
  openChunkIndex,
  PackArena,
  RecordSealer,
} from "@holdfast/repository";
import { negatedErrno } from "../posix/errno.ts";
import { createSelection } from "../selection/selection.ts";
import { AnswerBuilder } from "./answer-builder.ts";
import { askedTree, componentsOf } from "./asked-paths.ts";
import { BlockWriter } from "./change-cache/block-writer.ts";
import { CacheCursor } from "./change-cache/cursor.ts";
import { CacheSeal } from "./change-cache/format.ts";
import { isSameContent } from "./change-cache/stamp.ts";
import { ContentStore } from "./content-store.ts";
import { ThreadCounters } from "./counters.ts";
import { DirectoryChain } from "./directory-chain.ts";
import { EntryLooker } from "./entry-looker.ts";
import { FileQueue } from "./file-queue.ts";
import { FileContentReader } from "./file-reading.ts";
import { SegmentCollector, segmentBuffers } from "./flat-segments.ts";
import type { MainMessage, PieceTask, WorkerMessage } from "./messages.ts";
import { absolutePath, childPath, toBytes } from "./path-text.ts";
import { openPieceFile } from "./piece-file.ts";
import { PieceReader } from "./piece-reader.ts";
import { SourcePaths } from "./source-paths.ts";
import { unreadable } from "./source-warnings.ts";
import { TreeWalker } from "./tree-walker.ts";
import type { CacheSetup, StoreSetup, WorkerSetup } from "./worker-setup.ts";

/** File systems keep times in steps of up to two seconds (FAT). */
const TIME_STEP_SECONDS = 2;

export type Post = (message: WorkerMessage, transfer: readonly ArrayBuffer[]) => void;

/** A function that handles one message of the main thread; a second task comes only after a piece is done. */
export function createTaskRunner(setup: WorkerSetup, post: Post): (message: MainMessage) => Promise<void> {
  const asked = askedTree(setup.asked.map(componentsOf));
  const places = new SourcePaths(setup.readFrom);
  const counters = new ThreadCounters(setup.counters, setup.thread);
  const storing = setup.store === undefined ? undefined : createStore(setup.store, post);
  const chain = new DirectoryChain(asked, places);
  const answer = createAnswer(setup);
  // In a dry run no content is read.
  const reader = storing === undefined ? undefined : new FileContentReader(storing.store, storing.pieces);
  const files = new FileQueue(reader, answer, counters);
  const walker = new TreeWalker(
    {
      asked,
      places,
      selection: createSelection({
        exclude: setup.exclude,
        oneFileSystem: setup.oneFileSystem,
        roots: setup.asked.map(absolutePath),
      }),
      skipped: new Set(setup.skipped),
      dryRun: storing === undefined,
      control: new Int32Array(setup.control),
      cached: createCursor(setup),
      store: storing?.store,
      answer,
      files,
      counters,
      looker: new EntryLooker(),
    },
    chain,
  );
  return async (message) => {
    switch (message.kind) {
      case "walk":
      case "slice": {
        if (message.kind === "walk") walker.walk(message);
        else walker.slice(message);
        if (storing !== undefined) counters.set("bytesAdded", storing.store.bytesAdded);
        const { message: walked, transfer } = answer.take(message.id);
        post(walked, transfer);
        return;
      }
      case "piece":
        if (storing !== undefined) await readPiece(message, chain, storing, counters, post);
        return;
      case "segment":
        storing?.index.add(message.segment);
        post({ kind: "indexed", version: storing?.index.version ?? 0 }, []);
        return;
      case "finish":
        storing?.store.flush();
        chain.close();
        post({ kind: "finished" }, []);
    }
  };
}

interface Storing {
  readonly index: ChunkIndex;
  readonly store: ContentStore;
  readonly pieces: PieceReader;
}

function createStore(setup: StoreSetup, post: Post): Storing {
  const repository = Buffer.from(setup.repository);
  // The same memory: the main thread wipes it when this thread has ended.
  const tableKey = Buffer.from(setup.tableKey.buffer, setup.tableKey.byteOffset, setup.tableKey.byteLength);
  const owner = { repository, tableKey, envelope: Buffer.from(setup.envelope) };
  const arena = new PackArena(setup.arena, owner, (sealed) => {
    post({ kind: "pack", sealed }, []);
  });
  const sealer = new RecordSealer({
    repository,
    tableKey,
    session: Buffer.from(setup.session),
    frameKeys: frameKeys(suiteByCode(setup.suiteCode), setup.sessionKey, repository),
    nextCounter: arena.nextCounter,
    compressionLevel: setup.compressionLevel,
  });
  const index = openChunkIndex(setup.snapshot);
  const claims = ClaimTable.attach(setup.claims);
  const store = new ContentStore({ idOf: idHasher(setup.idKey), index, claims, sealer, arena });
  const gearBytes = deriveKey(setup.chunkerKey, repository, "holdfast/1/gear", GEAR_TABLE_BYTES);
  const pieces = new PieceReader(store, gearTable(gearBytes));
  for (const secret of [setup.idKey, setup.chunkerKey, setup.sessionKey, gearBytes]) secret.fill(0);
  return { index, store, pieces };
}

function createAnswer({ newCache }: WorkerSetup): AnswerBuilder {
  if (newCache === undefined) return new AnswerBuilder(undefined);
  const seal = importSeal(newCache);
  return new AnswerBuilder(
    (written) => new BlockWriter({ fd: newCache.fd, seal, end: newCache.end }, written),
  );
}

function createCursor({ oldCache }: WorkerSetup): CacheCursor | undefined {
  if (oldCache === undefined) return undefined;
  const { blocks, startedMs } = oldCache.contents;
  const seal = importSeal(oldCache);
  return new CacheCursor({
    fd: oldCache.fd,
    seal,
    blocks,
    restBeforeSeconds: startedMs / 1000 - TIME_STEP_SECONDS,
  });
}

function importSeal({ key, head }: CacheSetup): CacheSeal {
  const seal = new CacheSeal(key, Buffer.from(head));
  key.fill(0);
  return seal;
}

async function readPiece(
  task: PieceTask,
  chain: DirectoryChain,
  { pieces, store }: Storing,
  counters: ThreadCounters,
  post: Post,
): Promise<void> {
  const fail = (errno: number): void => {
    const warnings = [unreadable(childPath(task.directory, task.name), errno)];
    post({ kind: "piece", id: task.id, content: undefined, changed: true, warnings }, []);
  };
  const directory = chain.enter(task.directory);
  const file = typeof directory === "number" ? directory : openPieceFile(directory, toBytes(task.name));
  if (typeof file === "number") {
    fail(file);
    return;
  }
  const { fd, readAt } = file;
  const segments = new SegmentCollector();
  const looker = new EntryLooker();
  try {
    counters.add("bytesRead", await pieces.readAhead(readAt, task, task.sparse ? fd : undefined, segments));
    counters.add("bytesDone", segments.size);
    counters.set("bytesAdded", store.bytesAdded);
    const isSame = looker.lookAtOpen(fd) === 0 && isSameContent(task.stamp, looker.stamp);
    const changed = !isSame;
    const content = segments.take();
    post({ kind: "piece", id: task.id, content, changed, warnings: [] }, segmentBuffers(content));
  } catch (error) {
    fail(negatedErrno(error));
  } finally {
    file.close();
  }
}
