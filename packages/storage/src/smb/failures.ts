/**
 * From what a helper process says to the product's errors.
 *
 * @module
 */
import { AppError } from "@holdfast/kernel";
import { MAKE_ROOM, type Meaning } from "../failure-meaning.ts";
import type { Failure } from "./messages.ts";

const full: Meaning = {
  code: "ERR_STORAGE_FULL",
  reason: "the share is full, or its quota is used up",
  remedy: MAKE_ROOM,
};
const denied: Meaning = {
  code: "ERR_STORAGE_DENIED",
  reason: "the server refuses it",
  remedy: "Give the user the right to read, write, rename and delete in the folder and on the share.",
};
const unreachable: Meaning = {
  code: "ERR_STORAGE_UNREACHABLE",
  reason: "there is no connection to the server",
  remedy: "Check the server's name and port, that it runs, and that no firewall stands between.",
};
const late: Meaning = {
  code: "ERR_STORAGE_TIMEOUT",
  reason: "the server does not answer",
  remedy: "Check the network and the load of the server, then try again.",
};
const busy: Meaning = {
  code: "ERR_STORAGE_FAILED",
  reason: "somebody else has the file open",
  remedy: "Try again later; keep virus scanners and indexers away from the folder.",
};
const failed: Meaning = {
  code: "ERR_STORAGE_FAILED",
  reason: "the server or the connection failed",
  remedy: "Look into the server's log, then try again.",
};
const refused: Meaning = {
  code: "ERR_STORAGE_CREDENTIALS",
  reason: "the server refuses the user or the password, or cannot sign or encrypt as asked",
  remedy: "Check user, domain and password; SMB 2.02 or newer and NTLMv2 or Kerberos are needed.",
};
const missing: Meaning = {
  code: "ERR_STORAGE_MISSING",
  reason: "there is no such share or folder",
  remedy: "Check the names in the URL, and make the folder.",
};
const noLibrary: Meaning = {
  code: "ERR_UNSUPPORTED",
  reason: "Samba's client library is missing, too old, or not for this system",
  remedy:
    "Install it (on Debian: `apt install libsmbclient`), or mount the share and use its path as the storage.",
};
const dfs: Meaning = {
  code: "ERR_UNSUPPORTED",
  reason: "the share is a namespace of DFS, where objects cannot be stored safely",
  remedy: "Name the server and share behind it, or mount the share and use its path as the storage.",
};
const notEncrypted: Meaning = {
  code: "ERR_UNSUPPORTED",
  reason: "the connection is not encrypted, as the storage's settings require",
  remedy:
    "Turn encryption of SMB 3 on at the server, best as required, or do without it: objects are encrypted anyway.",
};
const noShareModes: Meaning = {
  code: "ERR_UNSUPPORTED",
  reason: "the server lets two writers open one file that each has asked for alone",
  remedy: "Turn share modes on at the server, or mount the share and use its path as the storage.",
};
const locked: Meaning = {
  code: "ERR_STORAGE_FAILED",
  reason: "another writer is storing the same object",
  remedy: "Try again when it is done.",
};
const tooLarge: Meaning = {
  code: "ERR_STORAGE_FAILED",
  reason: "the object is larger than any that is read at once",
  remedy: "Something else than Holdfast wrote into this folder; move it away.",
};

const ERRNO_MEANINGS: Readonly<Record<string, Meaning>> = {
  ENOSPC: full,
  EDQUOT: full,
  EACCES: denied,
  EPERM: denied,
  EROFS: denied,
  EBUSY: busy,
  ETXTBSY: busy,
  ETIMEDOUT: late,
  ECONNREFUSED: unreachable,
  ECONNRESET: unreachable,
  ECONNABORTED: unreachable,
  ENOTCONN: unreachable,
  EPIPE: unreachable,
  EHOSTUNREACH: unreachable,
  EHOSTDOWN: unreachable,
  ENETUNREACH: unreachable,
  ENETDOWN: unreachable,
  ENETRESET: unreachable,
};
const CONNECT_MEANINGS: Readonly<Record<string, Meaning>> = {
  ...ERRNO_MEANINGS,
  EPERM: refused,
  ENOENT: missing,
  ENODEV: missing,
  ENOTDIR: missing,
};

/** After these the connection is as good as before. */
const HARMLESS: ReadonlySet<string> = new Set([
  "ENOSPC",
  "EDQUOT",
  "EACCES",
  "EROFS",
  "EBUSY",
  "EEXIST",
  "EISDIR",
  "ENOENT",
  "ENOTDIR",
  "EFBIG",
]);

/** Whether the helper can go on. */
export function isHarmless({ stage, errno }: Failure): boolean {
  return stage !== "connect" && HARMLESS.has(errno);
}

/** @param action what was tried, as the subject of a sentence: "Storing packs/ab". */
export function smbFailure(failure: Failure, action: string, location: string): AppError {
  const { code, reason, remedy } = meaningOf(failure);
  return new AppError(code, `${action} in ${location} failed: ${reason} (${failure.errno}).`, {
    subject: location,
    remedy,
  });
}

export function unreachableServer(location: string, errno: string): AppError {
  return smbFailure(
    { stage: "call", errno: errno in ERRNO_MEANINGS ? errno : "EHOSTUNREACH" },
    "Connecting",
    location,
  );
}

function meaningOf({ stage, errno }: Failure): Meaning {
  switch (stage) {
    case "library":
      return noLibrary;
    case "dfs":
      return dfs;
    case "encryption":
      return notEncrypted;
    case "share-modes":
      return noShareModes;
    case "lock":
      return locked;
    case "size":
      return tooLarge;
    case "connect":
      return CONNECT_MEANINGS[errno] ?? failed;
    case "call":
    case "missing":
    default:
      return ERRNO_MEANINGS[errno] ?? failed;
  }
}
