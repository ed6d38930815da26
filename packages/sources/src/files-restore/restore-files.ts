/**
 * Restores a copy of files below a folder.
 *
 * @module
 */
import { availableParallelism } from "node:os";
import { AppError } from "@holdfast/kernel";
import {
  type ChunkIndexSnapshot,
  type CopyReader,
  openCopyReader,
  readingKeys,
  type Repository,
} from "@holdfast/repository";
import { openTarget } from "../restore-tree/target.ts";
import { countWanted } from "./count-wanted.ts";
import type { RestoreRequest, RestoreSummary } from "./request.ts";
import { RestoreRun } from "./restore-run.ts";
import { RestoreTotals } from "./restore-totals.ts";
import { WorkerPool } from "./worker-pool.ts";

const WORKERS_MIN = 3;
const WORKERS_MAX = 4;

/**
 * Restores what is wanted of a copy. A file whose data is damaged is left out and told by its path; everything else is
 * restored. What a killed or cancelled restore has left is completed by another one with `existing: "skip"`.
 *
 * @throws AppError `ERR_TARGET` when the target takes no more, `ERR_CANCELLED`, `ERR_CAPABILITY`, `ERR_USAGE` for a copy
 * of a disk, errors of the storage.
 */
export async function restoreFiles(repository: Repository, request: RestoreRequest): Promise<RestoreSummary> {
  const started = performance.now();
  if (request.copy.table.kind !== "files") throw notFiles(request.copy.id);
  const { signal } = request;
  using reader = await openCopyReader(repository, { signal });
  const totals = new RestoreTotals(request);
  if (request.dryRun === true) await countWanted(request, reader.readRecord, totals);
  else await restore(repository, request, reader, totals);
  return totals.summary((performance.now() - started) / 1000);
}

async function restore(
  repository: Repository,
  request: RestoreRequest,
  reader: CopyReader,
  totals: RestoreTotals,
): Promise<void> {
  const { copy, existing, owners, signal } = request;
  const target = openTarget(request.target, { existing, ...(owners === undefined ? {} : { owners }) });
  const workers = request.workers ?? Math.min(WORKERS_MAX, Math.max(WORKERS_MIN, availableParallelism()));
  const keys = readingKeys(repository.keys);
  const newPool = (snapshot: ChunkIndexSnapshot): WorkerPool => {
    const setup = { keys, snapshot, target: request.target, existing, owners };
    return new WorkerPool(repository.ports.storage, setup, workers, signal);
  };
  let pool = newPool(reader.snapshot);
  const cancel = (): void => {
    pool.fail(cancelled(signal));
  };
  signal?.addEventListener("abort", cancel, { once: true });
  if (signal?.aborted === true) cancel();
  const secondPool = async (): Promise<WorkerPool> => {
    await pool.close();
    pool = newPool(await reader.secondLook());
    if (signal?.aborted === true) cancel();
    return pool;
  };
  const { readRecord } = reader;
  const run = new RestoreRun({ copy, request, readRecord, target, pool, secondPool, totals });
  try {
    await run.run();
    if (request.durable === true) target.sync();
  } catch (error) {
    pool.fail(error instanceof Error ? error : new Error(String(error)));
    throw error;
  } finally {
    signal?.removeEventListener("abort", cancel);
    await pool.close();
    run.abandon();
    target.close();
  }
}

function cancelled(signal: AbortSignal | undefined): AppError {
  if (signal?.reason instanceof AppError) return signal.reason;
  return new AppError("ERR_CANCELLED", "The restore was cancelled.", {
    remedy: "Run it again with `--existing skip`: what is complete is not written again.",
  });
}

function notFiles(id: string): AppError {
  return new AppError("ERR_USAGE", `The copy ${id.slice(0, 12)} is one of a disk, not of files.`, {
    subject: id,
    remedy: "Write it back with `holdfast restore STORAGE COPY --disk FILE_OR_DEVICE`.",
  });
}
