/**
 * Gives a browser a file of a copy, or a folder as an archive: a device reads it and sends it here, and from here it goes on.
 *
 * @module
 */
import { finished } from "node:stream";
import { sha256 } from "@holdfast/crypto";
import { AppError } from "@holdfast/kernel";
import type { DownloadQuery, UploadHead } from "@holdfast/protocol";
import { userActor } from "../audit/audit.ts";
import { isAliveSince } from "../channel/processes.ts";
import { findCopy } from "../copies/copy-rows.ts";
import { checkDevice, type CopyDependencies, resultOf } from "../copies/copy-tasks.ts";
import type { Actor, StreamAnswer } from "../http/route.ts";
import { chooseDevice, writerOf } from "../operations/device-choice.ts";
import { contentDisposition } from "./content-disposition.ts";
import { type AskedRange, askedRange } from "./range.ts";
import type { Transfer } from "./transfer.ts";
import type { Transfers } from "./transfers.ts";

export interface DownloadDependencies extends CopyDependencies {
  readonly transfers: Transfers;
}

export interface DownloadCall {
  readonly actor: Actor;
  readonly copy: string;
  readonly query: DownloadQuery;
  readonly range: string | undefined;
  readonly ifRange: string | undefined;
  readonly gone: AbortSignal;
}

/** How long a browser waits for the first byte. */
const BEGIN_MS = 60_000;

/** @throws AppError `ERR_NOT_FOUND`, `ERR_NO_DEVICE`, `ERR_TOO_MANY_ATTEMPTS`, and what the task fails with before it begins. */
export async function download(
  dependencies: DownloadDependencies,
  call: DownloadCall,
): Promise<StreamAnswer> {
  const place = dependencies.transfers.enter(call.actor.userId);
  try {
    const tag = entityTag(call);
    const range = call.ifRange === undefined || call.ifRange === tag ? askedRange(call.range) : undefined;
    const { taskId, deviceId } = await newDownload(dependencies, call, range);
    const transfer = await arrivalOf(dependencies, taskId, deviceId, call);
    // Also when it has ended already, and its `close` is past.
    finished(transfer.stream, () => {
      place.leave();
      // What ended by itself, well or not, the device tells of.
      if (!transfer.stream.readableEnded && transfer.stream.errored === null)
        stopTask(dependencies, taskId, call.actor);
    });
    return answerOf(transfer, tag);
  } catch (error) {
    place.leave();
    throw error;
  }
}

interface NewDownload {
  readonly taskId: string;
  readonly deviceId: string;
}

async function newDownload(
  dependencies: DownloadDependencies,
  { actor, copy: copyId, query }: DownloadCall,
  range: AskedRange | undefined,
): Promise<NewDownload> {
  const { database, queue, audit } = dependencies;
  const { path, pathBytes, archive, device } = query;
  const also = query.also?.split(",");
  const places = {
    path,
    ...(pathBytes === undefined ? {} : { pathBytes }),
    ...(also === undefined ? {} : { also }),
  };
  const copy = await findCopy(database.db, copyId, query.repository);
  if (device !== undefined) await checkDevice(database.db, device);
  const deviceId =
    device ?? (await chooseDevice(database.db, copy.storageId, await writerOf(database.db, copy)));
  const uploadTo = await addressToName(dependencies);
  const input = {
    copy: copyId,
    ...places,
    archive,
    ...(range === undefined ? {} : { range }),
    ...(uploadTo === undefined ? {} : { uploadTo }),
  };
  const taskId = await database.transaction(async (transaction) => {
    await checkDevice(transaction, deviceId);
    const created = await queue.create(transaction, {
      kind: "download",
      deviceId,
      repositoryId: copy.repositoryId,
      input,
      createdBy: actor.userId,
    });
    await audit.append(transaction, {
      actor: userActor(actor),
      action: "copy.download",
      subject: { kind: "copy", id: copyId },
      details: { task: created, device: deviceId, ...places },
    });
    return created;
  });
  return { taskId, deviceId };
}

/** One process alone is where the agents are connected anyway, whatever they call it. */
async function addressToName({
  database,
  clock,
  transfers,
}: DownloadDependencies): Promise<string | undefined> {
  const { count } = await database.db
    .selectFrom("processes")
    .select((eb) => eb.fn.countAll<number>().as("count"))
    .where("beat_at", ">", isAliveSince(clock))
    .executeTakeFirstOrThrow();
  return count > 1 ? transfers.ownAddress() : undefined;
}

/** @throws AppError what the task failed with; `ERR_NO_DEVICE` when nothing came in time; `ERR_CANCELLED` when the caller is gone. */
async function arrivalOf(
  dependencies: DownloadDependencies,
  taskId: string,
  deviceId: string,
  { actor, gone }: DownloadCall,
): Promise<Transfer> {
  const { transfers, database } = dependencies;
  const ending = new AbortController();
  const { arrival } = transfers.expect(taskId, deviceId);
  const left = Promise.withResolvers<never>();
  const leave = (): void =>
    left.reject(new AppError("ERR_CANCELLED", "Nobody waits for the download any more."));
  gone.addEventListener("abort", leave, { once: true });
  if (gone.aborted) leave();
  try {
    await database.notify("tasks");
    // The task ends before its bytes have come only when it has failed.
    const failure = resultOf(dependencies, taskId, { waitMs: BEGIN_MS, signal: ending.signal }).then(() => {
      throw new AppError("ERR_RUN_LOST", "The device has ended the download without sending anything.", {
        remedy: "Start it again.",
      });
    });
    failure.catch(() => undefined);
    return await Promise.race([arrival, failure, left.promise]);
  } catch (error) {
    transfers.forget(taskId);
    // It may come all the same.
    void arrival.then(({ stream }) => stream.destroy()).catch(() => undefined);
    stopTask(dependencies, taskId, actor);
    throw error;
  } finally {
    ending.abort();
    gone.removeEventListener("abort", leave);
  }
}

/** Ends the task unless it has ended; whoever asked for the bytes does not wait for this. */
function stopTask({ database, queue }: DownloadDependencies, taskId: string, { name }: Actor): void {
  const stop = async (): Promise<void> => {
    await database.transaction((transaction) =>
      queue.requestCancel(transaction, taskId, `${name} did not wait for the end of the download.`),
    );
    await database.notify("tasks");
  };
  // Without it the device notices by itself, when its connection is closed.
  stop().catch(() => undefined);
}

/** What a path of a copy is never changes. */
function entityTag({ copy, query: { path, pathBytes } }: DownloadCall): string {
  const named = sha256(Buffer.from(`${pathBytes ?? ""} ${path}`, "utf8"));
  return `"${copy.slice(0, 32)}-${named.toString("hex", 0, 16)}"`;
}

function answerOf({ head, stream }: Transfer, tag: string): StreamAnswer {
  const { size, part } = head;
  const headers = {
    "content-disposition": contentDisposition(fileName(head)),
    // Stricter than other answers: should a browser show it after all, then as the page of nobody.
    "content-security-policy": "sandbox; default-src 'none'",
    ...(head.form === "file" ? { "accept-ranges": "bytes", etag: tag } : {}),
    ...(size === undefined ? {} : { "content-length": String(size) }),
  };
  if (part === undefined || size === undefined) return { stream, status: 200, headers };
  const range = `bytes ${String(part.from)}-${String(part.from + size - 1)}/${String(part.total)}`;
  return { stream, status: 206, headers: { ...headers, "content-range": range } };
}

const ENDINGS: Readonly<Record<UploadHead["form"], string>> = { file: "", zip: ".zip", tar: ".tar.zst" };

function fileName({ form, name }: UploadHead): string {
  return `${name}${ENDINGS[form]}`;
}
