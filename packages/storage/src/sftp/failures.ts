/**
 * From the answers of SFTP (draft-ietf-secsh-filexfer-02 section 7) and of SSH to the product's errors.
 *
 * Version 3 knows nine codes, and OpenSSH tells a full disk, a taken name and a read-only file system all as FAILURE; see
 * {@link explainFailure} for what is done about it.
 *
 * @module
 */
import { AppError } from "@holdfast/kernel";
import { MAKE_ROOM, type Meaning } from "../failure-meaning.ts";

/** Codes of SSH_FXP_STATUS. Those above 8 are of later versions; some servers send them in version 3 all the same. */
export const STATUS = {
  noSuchFile: 2,
  permissionDenied: 3,
  failure: 4,
  noConnection: 6,
  connectionLost: 7,
  unsupported: 8,
  noSuchPath: 10,
  alreadyExists: 11,
  writeProtected: 12,
  noSpace: 14,
  quotaExceeded: 15,
} as const;

const DETAIL_LENGTH_MAX = 100;

/** A request that the server answered with another status than OK. */
export class SftpStatusError extends Error {
  override readonly name = "SftpStatusError";
  readonly status: number;

  /** @param detail the server's own text. */
  constructor(status: number, detail: string) {
    super(detail.replace(/[^\x20-\x7e]/g, "?").slice(0, DETAIL_LENGTH_MAX));
    this.status = status;
  }
}

export function hasStatus(error: unknown, ...statuses: readonly number[]): error is SftpStatusError {
  return error instanceof SftpStatusError && statuses.includes(error.status);
}

export function isMissing(error: unknown): boolean {
  return hasStatus(error, STATUS.noSuchFile, STATUS.noSuchPath);
}

const full: Meaning = {
  code: "ERR_STORAGE_FULL",
  reason: "there is no space left",
  remedy: MAKE_ROOM,
};
const denied: Meaning = {
  code: "ERR_STORAGE_DENIED",
  reason: "the server refuses it",
  remedy: "Give this account the right to read and write the folder, and check that it is not read-only.",
};
const readOnly: Meaning = { ...denied, reason: "the file system is read-only" };
const unreachable: Meaning = {
  code: "ERR_STORAGE_UNREACHABLE",
  reason: "the server lost its connection",
  remedy: "Check that the server runs and can be reached, then try again.",
};
const failed: Meaning = {
  code: "ERR_STORAGE_FAILED",
  reason: "the server reports an error",
  remedy: "Look into the server's log, and check its disk and file system; then try again.",
};

const MEANINGS: ReadonlyMap<number, Meaning> = new Map([
  [STATUS.permissionDenied, denied],
  [STATUS.noConnection, unreachable],
  [STATUS.connectionLost, unreachable],
  [STATUS.writeProtected, readOnly],
  [STATUS.noSpace, full],
  [STATUS.quotaExceeded, full],
]);

/** Free space and flags of a file system, as `statvfs@openssh.com` tells them. */
export interface FileSystemState {
  /** Bytes. */
  readonly free: number;
  readonly readOnly: boolean;
}

/**
 * What a mere FAILURE of a change most likely means, by the state of the file system.
 *
 * @param needed bytes that the change would have stored.
 */
export function explainFailure(error: unknown, state: FileSystemState | null, needed: number): unknown {
  if (!hasStatus(error, STATUS.failure) || state === null) return error;
  if (state.readOnly) return new SftpStatusError(STATUS.writeProtected, error.message);
  return state.free < needed ? new SftpStatusError(STATUS.noSpace, error.message) : error;
}

/** @param action what was tried, as the subject of a sentence: "Storing packs/ab". */
export function sftpFailure(error: unknown, action: string, location: string): AppError {
  if (error instanceof AppError) return error;
  const status = error instanceof SftpStatusError ? error.status : undefined;
  const text = error instanceof Error ? error.message : "";
  const meaning = meaningOf(status, text);
  const detail = status === undefined ? "" : ` (SFTP status ${String(status)})`;
  return new AppError(meaning.code, `${action} in ${location} failed: ${meaning.reason}${detail}.`, {
    subject: location,
    remedy: meaning.remedy,
    cause: error,
  });
}

function meaningOf(status: number | undefined, text: string): Meaning {
  const known = status === undefined ? undefined : MEANINGS.get(status);
  if (known !== undefined) return known;
  return status === STATUS.failure && /no space|quota|disk (?:is )?full/i.test(text) ? full : failed;
}

export function folderMissing(location: string): AppError {
  return new AppError("ERR_STORAGE_MISSING", `The folder of ${location} is missing.`, {
    subject: location,
    remedy: "Check the path, and that the server's disk is connected and mounted.",
  });
}

export function timedOut(location: string, silentMs: number): AppError {
  return new AppError(
    "ERR_STORAGE_TIMEOUT",
    `The server of ${location} did not answer for ${String(Math.round(silentMs / 1000))} s.`,
    { subject: location, remedy: unreachable.remedy },
  );
}

export function connectionLost(location: string, cause?: unknown): AppError {
  return new AppError("ERR_STORAGE_UNREACHABLE", `The connection to ${location} was cut.`, {
    subject: location,
    remedy: unreachable.remedy,
    cause,
  });
}
