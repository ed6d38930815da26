/**
 * Giving a finished temporary file its final name, only if nothing has that name.
 *
 * `hardlink@openssh.com` does this in one step. Where it is missing or the file system has no links, RENAME must do, which
 * by draft-02 section 6.5 is an error when the new name is taken. Servers differ: OpenSSH links and unlinks where the
 * file system can and else looks first and then renames, others simply replace as rename(2) does, some follow the draft.
 * So a claim file, made with SSH_FXF_EXCL, lets one writer at a time look and rename. The object is whole at every moment
 * in both ways. A writer killed while it holds a claim blocks that one name until the claim is swept with other old
 * temporary files: refusing is safe, guessing that a writer is dead is not.
 *
 * @module
 */
import { AppError, type Clock } from "@holdfast/kernel";
import { hasStatus, isMissing, SftpStatusError, STATUS } from "./failures.ts";
import type { SftpSession } from "./session.ts";

/** A claim is held for two round trips; two seconds outlast any that is alive. */
const CLAIM_ATTEMPTS = 40;
const CLAIM_WAIT_MS = 50;

export interface Publication {
  readonly session: SftpSession;
  readonly temporary: string;
  readonly final: string;
  /** Path of the claim file, the same for all writers of this object. */
  readonly claim: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** The temporary file may be left behind; the caller removes it. */
export async function publish(publication: Publication): Promise<"created" | "exists"> {
  const { session, temporary, final } = publication;
  try {
    await session.link(temporary, final);
    return "created";
  } catch (error) {
    if (!(error instanceof SftpStatusError) || isMissing(error)) throw error;
    if (await isTaken(session, final)) return "exists";
  }
  return publishByClaim(publication);
}

/** Without links; see the module's text. */
export async function publishByClaim(publication: Publication): Promise<"created" | "exists"> {
  const { session, temporary, final, claim, clock, signal } = publication;
  for (let attempt = 1; !(await tryClaim(session, claim)); attempt += 1) {
    if (attempt === CLAIM_ATTEMPTS) throw claimed(final, claim);
    await clock.sleep(CLAIM_WAIT_MS, signal);
  }
  try {
    if (await isTaken(session, final)) return "exists";
    return await renameToFinal(session, temporary, final);
  } finally {
    if (!session.failed) await session.remove(claim);
  }
}

/** @throws {AppError} `ERR_STORAGE_FAILED` when something else than a plain file has the name. */
export async function isTaken(session: SftpSession, path: string): Promise<boolean> {
  const found = await session.lstat(path);
  if (found === null) return false;
  if (found.kind === "file" || found.kind === undefined) return true;
  throw new AppError("ERR_STORAGE_FAILED", `${path} is not a plain file.`, {
    subject: path,
    remedy: "Move away what stands in the place of the object; nothing else may write into this folder.",
  });
}

async function renameToFinal(
  session: SftpSession,
  temporary: string,
  final: string,
): Promise<"created" | "exists"> {
  try {
    await session.rename(temporary, final);
    return "created";
  } catch (error) {
    if (error instanceof SftpStatusError && !isMissing(error) && (await isTaken(session, final)))
      return "exists";
    throw error;
  }
}

async function tryClaim(session: SftpSession, claim: string): Promise<boolean> {
  try {
    session.dropHandle(await session.openNew(claim));
    return true;
  } catch (error) {
    if (!hasStatus(error, STATUS.failure, STATUS.alreadyExists)) throw error;
    return false;
  }
}

function claimed(final: string, claim: string): AppError {
  return new AppError(
    "ERR_STORAGE_FAILED",
    `Another writer is storing ${final}, or was killed while it did.`,
    {
      subject: final,
      remedy: `If no other backup to this storage is running, delete ${claim} on the server and try again.`,
    },
  );
}
