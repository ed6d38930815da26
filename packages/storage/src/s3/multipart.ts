/**
 * Uploads in parts (Amazon S3 User Guide, "Uploading and copying objects using multipart upload"). Nothing is seen of the
 * object before the upload is completed, and the condition that the name is free is checked then.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { isObjectName } from "../names.ts";
import { contradiction } from "../remote/contradiction.ts";
import type { S3Session } from "./session.ts";

export interface Upload {
  readonly Bucket: string;
  readonly Key: string;
  readonly UploadId: string;
}

/** Amazon S3 User Guide, "Multipart upload limits". */
const PARTS_MAX = 10_000;
const UPLOAD_ID_LENGTH_MAX = 4096;
const PARALLEL_PARTS = 4;
/** For giving an upload up, also after the work was cancelled. */
const ABANDON_TIMEOUT_MS = 5000;
const DAY_MS = 24 * 60 * 60 * 1000;

export async function beginUpload(session: S3Session, name: string, signal: AbortSignal): Promise<Upload> {
  const key = session.key(name);
  const command = new session.sdk.CreateMultipartUploadCommand({
    ...key,
    ChecksumAlgorithm: "SHA256",
  });
  const action = `Beginning the upload of ${name}`;
  const { UploadId } = await session.run(action, signal, (client, options) => client.send(command, options));
  if (UploadId === undefined || UploadId === "" || UploadId.length > UPLOAD_ID_LENGTH_MAX) {
    throw contradiction(`${action} in ${session.location} failed: it got no identifier.`, name);
  }
  return { ...key, UploadId };
}

/** The storage forgets the parts. A failure is not told: parts that stay take space, and {@link sweepUploads} comes. */
export async function abandonUpload(session: S3Session, upload: Upload): Promise<void> {
  const command = new session.sdk.AbortMultipartUploadCommand({ ...upload });
  const signal = AbortSignal.timeout(ABANDON_TIMEOUT_MS);
  const action = `Giving up the upload of ${upload.Key}`;
  await session
    .run(action, signal, (client, options) => client.send(command, options))
    .catch(() => undefined);
}

/** Sends the parts and completes the upload, unless the name is taken by then. */
export async function sendUpload(
  session: S3Session,
  upload: Upload,
  bytes: Uint8Array,
  partBytes: number,
  signal: AbortSignal,
): Promise<void> {
  const length = Math.max(partBytes, Math.ceil(bytes.length / PARTS_MAX));
  const count = Math.ceil(bytes.length / length);
  const parts: { PartNumber: number; ETag: string | undefined; ChecksumSHA256: string }[] = [];
  const failed = new AbortController();
  const either = AbortSignal.any([signal, failed.signal]);
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < count && !either.aborted) {
      const index = next;
      next += 1;
      const part = bytes.subarray(index * length, (index + 1) * length);
      parts[index] = await sendPart(session, upload, index + 1, part, either);
    }
  };
  const workers = Array.from({ length: Math.min(PARALLEL_PARTS, count) }, () =>
    work().catch((error: unknown) => {
      // The others stop, and their cancellation is not what happened.
      failed.abort(error);
      throw error;
    }),
  );
  await Promise.allSettled(workers);
  if (failed.signal.aborted && !signal.aborted) throw failed.signal.reason;
  const command = new session.sdk.CompleteMultipartUploadCommand({
    ...upload,
    MultipartUpload: { Parts: parts },
    IfNoneMatch: "*",
  });
  await session.run(`Storing ${upload.Key}`, signal, (client, options) => client.send(command, options));
}

async function sendPart(
  session: S3Session,
  upload: Upload,
  PartNumber: number,
  part: Uint8Array,
  signal: AbortSignal,
) {
  const ChecksumSHA256 = createHash("sha256").update(part).digest("base64");
  const command = new session.sdk.UploadPartCommand({ ...upload, PartNumber, Body: part, ChecksumSHA256 });
  const action = `Sending a part of ${upload.Key}`;
  const { ETag } = await session.run(action, signal, (client, options) => client.send(command, options));
  return { PartNumber, ETag, ChecksumSHA256 };
}

/** Gives up uploads of killed writers: those below our folder that began more than a day ago by the storage's clock. */
export async function sweepUploads(session: S3Session, signal: AbortSignal): Promise<void> {
  const { sdk, bucket: Bucket, prefix } = session;
  const command = new sdk.ListMultipartUploadsCommand({ Bucket, Prefix: prefix });
  const action = "Looking for old uploads";
  const { Uploads } = await session.run(action, signal, (client, options) => client.send(command, options));
  const nowMs = session.serverTimeMs();
  if (nowMs === undefined) return;
  for (const { Key = "", UploadId = "", Initiated } of Uploads ?? []) {
    const ours = Key.startsWith(prefix) && isObjectName(Key.slice(prefix.length));
    if (!ours || Initiated === undefined || nowMs - Initiated.getTime() < DAY_MS) continue;
    const old = new sdk.AbortMultipartUploadCommand({ Bucket, Key, UploadId });
    await session.run(action, signal, (client, options) => client.send(old, options));
  }
}
