/**
 * Giving a finished temporary file its final name, only if nothing has that name.
 *
 * `link` does this in one step. File systems without hard links (FAT, some FUSE and network ones) have only `rename`,
 * which replaces silently; there, a claim file made with O_EXCL lets one writer at a time check and rename. The
 * object is whole at every moment in both ways. A writer killed while it holds a claim blocks that one name until the
 * claim is swept with other old temporary files: refusing is safe, guessing that a writer is dead is not.
 *
 * @module
 */
import { link, lstat, open, rename, unlink } from "node:fs/promises";
import { AppError, type Clock, errorCode } from "@holdfast/kernel";
import { isMissing } from "./failures.ts";

const LINK_UNSUPPORTED: ReadonlySet<string | undefined> = new Set([
  "EPERM",
  "ENOTSUP",
  "EOPNOTSUPP",
  "ENOSYS",
  "EMLINK",
]);
/** A claim is held for one rename; a second of waiting outlasts any that is alive on a working disk. */
const CLAIM_ATTEMPTS = 50;
const CLAIM_WAIT_MS = 20;

export interface Publication {
  readonly temporary: string;
  readonly final: string;
  /** Path of the claim file, the same for all writers of this object. */
  readonly claim: string;
  readonly clock: Clock;
}

/** The temporary file may be left behind; the caller removes it. */
export async function publish(publication: Publication): Promise<"created" | "exists"> {
  const { temporary, final } = publication;
  try {
    await link(temporary, final);
    return "created";
  } catch (error) {
    if (errorCode(error) === "EEXIST") return settleExisting(temporary, final);
    if (LINK_UNSUPPORTED.has(errorCode(error))) return publishByClaim(publication);
    throw error;
  }
}

/** A network file system may answer a repeated request with EEXIST although its first one made the link. */
async function settleExisting(temporary: string, final: string): Promise<"created" | "exists"> {
  const [own, existing] = await Promise.all([
    lstat(temporary, { bigint: true }),
    lstat(final, { bigint: true }),
  ]);
  if (own.dev === existing.dev && own.ino === existing.ino) return "created";
  if (existing.isFile()) return "exists";
  throw new AppError("ERR_STORAGE_FAILED", `${final} is not a plain file.`, {
    subject: final,
    remedy: "Move away what stands in the place of the object; nothing else may write into this folder.",
  });
}

/** For file systems without hard links; see the module's text. */
export async function publishByClaim(publication: Publication): Promise<"created" | "exists"> {
  const { temporary, final, claim, clock } = publication;
  for (let attempt = 1; !(await tryClaim(claim)); attempt += 1) {
    if (attempt === CLAIM_ATTEMPTS) throw claimed(final, claim);
    await clock.sleep(CLAIM_WAIT_MS);
  }
  try {
    if (await isTaken(final)) return "exists";
    await rename(temporary, final);
    return "created";
  } finally {
    await unlink(claim);
  }
}

async function tryClaim(claim: string): Promise<boolean> {
  try {
    const handle = await open(claim, "wx", 0o600);
    await handle.close();
    return true;
  } catch (error) {
    if (errorCode(error) === "EEXIST") return false;
    throw error;
  }
}

async function isTaken(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

function claimed(final: string, claim: string): AppError {
  return new AppError(
    "ERR_STORAGE_FAILED",
    `Another writer is storing ${final}, or was killed while it did.`,
    {
      subject: final,
      remedy: `If no other backup to this storage is running, delete ${claim} and try again.`,
    },
  );
}
