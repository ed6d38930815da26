/**
 * Whether a storage keeps the condition "only if there is no such object" (`If-None-Match: *`).
 *
 * Some do not know it and overwrite without a word. So before its first put, a driver asks for a second object under a name
 * that is taken: that of an object kept for this purpose below `tmp/`. One request, when that object is there already.
 *
 * @module
 */
import { TEMPORARY_FOLDER } from "../names.ts";
import { abandonUpload, beginUpload, sendUpload } from "./multipart.ts";
import { isConflict, isTaken, isUnknownCondition, unconditional } from "./refusals.ts";
import type { S3Session } from "./session.ts";

const PROBE_NAME = `${TEMPORARY_FOLDER}/condition`;
const PROBE = Buffer.from("By this object Holdfast learns whether the storage refuses to overwrite.\n");
const ACTION = "Checking that nothing is overwritten";

/** @throws {AppError} `ERR_UNSUPPORTED` when the storage overwrites, or what the request throws. */
export async function checkPutCondition(session: S3Session, signal: AbortSignal): Promise<void> {
  // The first one may create the object; the second one must not.
  for (let round = 0; round < 2; round += 1) {
    if (await putRefused(session, signal)) return;
  }
  throw unconditional(session.location, undefined);
}

async function putRefused(session: S3Session, signal: AbortSignal): Promise<boolean> {
  const { sdk } = session;
  const command = new sdk.PutObjectCommand({ ...session.key(PROBE_NAME), Body: PROBE, IfNoneMatch: "*" });
  try {
    await session.run(ACTION, signal, (client, options) => client.send(command, options));
    return false;
  } catch (error) {
    if (isTaken(error) || isConflict(error)) return true;
    if (isUnknownCondition(error)) throw unconditional(session.location, error);
    throw error;
  }
}

/**
 * Whether the condition is kept at the end of a multipart upload too; the object of {@link checkPutCondition} is there.
 *
 * @throws {AppError} what the requests throw.
 */
export async function keepsUploadCondition(session: S3Session, signal: AbortSignal): Promise<boolean> {
  const upload = await beginUpload(session, PROBE_NAME, signal);
  let completed = false;
  try {
    await sendUpload(session, upload, PROBE, PROBE.length, signal);
    completed = true;
    return false;
  } catch (error) {
    if (isTaken(error) || isConflict(error)) return true;
    if (isUnknownCondition(error)) return false;
    throw error;
  } finally {
    if (!completed) await abandonUpload(session, upload);
  }
}
