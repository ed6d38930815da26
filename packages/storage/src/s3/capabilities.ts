/**
 * What a bucket can do, as far as these credentials may ask.
 *
 * @module
 */
import { AppError, isAppError } from "@holdfast/kernel";
import { PLAIN_STORAGE, type StorageCapabilities } from "../contract.ts";
import { answerBehind } from "./service-answer.ts";
import type { S3Session } from "./session.ts";

/** A storage that refused or does not know the question is taken for one that cannot. */
type Known = boolean | undefined;

/**
 * @param locked each object is put with a lock of its own.
 * @throws {AppError} `ERR_STORAGE_MISSING` when there is no such bucket, `ERR_UNSUPPORTED` when objects are to be locked
 * in a bucket without object lock, and what keeps the storage from answering at all.
 */
export async function learnCapabilities(
  session: S3Session,
  locked: boolean,
  signal: AbortSignal,
): Promise<StorageCapabilities> {
  const [versioning, lock] = await Promise.all([
    unlessRefused(() => askVersioning(session, signal)),
    unlessRefused(() => askLock(session, signal)),
  ]);
  if (locked && lock === "none") {
    throw new AppError("ERR_UNSUPPORTED", `${session.location} has no object lock.`, {
      subject: session.location,
      remedy: "Make a bucket with object lock enabled, or leave the lock out.",
    });
  }
  return {
    ...PLAIN_STORAGE,
    conditionalPut: true,
    serverChecksum: true,
    versioning: versioning === true,
    objectLock: lock === "default" || (locked && lock === "possible"),
  };
}

async function askVersioning(session: S3Session, signal: AbortSignal): Promise<Known> {
  const command = new session.sdk.GetBucketVersioningCommand({ Bucket: session.bucket });
  const { Status } = await session.run("Asking about versions", signal, (client, options) =>
    client.send(command, options),
  );
  return Status === "Enabled";
}

/** `default`: the bucket locks every object by itself; `possible`: those that ask for it. */
async function askLock(session: S3Session, signal: AbortSignal): Promise<"none" | "possible" | "default"> {
  const command = new session.sdk.GetObjectLockConfigurationCommand({ Bucket: session.bucket });
  try {
    const { ObjectLockConfiguration: lock } = await session.run(
      "Asking about object lock",
      signal,
      (client, options) => client.send(command, options),
    );
    if (lock?.ObjectLockEnabled !== "Enabled") return "none";
    const { Days = 0, Years = 0 } = lock.Rule?.DefaultRetention ?? {};
    return Days > 0 || Years > 0 ? "default" : "possible";
  } catch (error) {
    if (answerBehind(error)?.code === "ObjectLockConfigurationNotFoundError") return "none";
    throw error;
  }
}

async function unlessRefused<T>(question: () => Promise<T>): Promise<T | undefined> {
  try {
    return await question();
  } catch (error) {
    const status = answerBehind(error)?.status ?? 0;
    const unknown = isAppError(error, "ERR_STORAGE_FAILED") && status >= 400 && status < 500;
    if (unknown || isAppError(error, "ERR_STORAGE_DENIED") || isAppError(error, "ERR_UNSUPPORTED"))
      return undefined;
    throw error;
  }
}
