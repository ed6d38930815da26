/**
 * What is told to a person about an entry that could not be read as it should.
 *
 * @module
 */
import type { AppError } from "@holdfast/kernel";
import { ERRNO, errnoText } from "../posix/errno.ts";
import { currentPlatform } from "../platform/current-platform.ts";
import type { WarningRecord } from "./messages.ts";
import type { PathText } from "./path-text.ts";

function shown(path: PathText): string {
  return currentPlatform().paths.shown(path);
}

/** A system call on the entry failed with a negated error number. */
export function unreadable(path: PathText, errno: number): WarningRecord {
  if (errno === -ERRNO.ENOENT) {
    return { path, code: "ERR_SOURCE_VANISHED", message: `${shown(path)} vanished before it was read.` };
  }
  const reason = currentPlatform().explain(errno) ?? errnoText(errno);
  const message = `${shown(path)} cannot be read: ${reason}.`;
  return { path, code: "ERR_SOURCE_UNREADABLE", message };
}

/** Reading the names in a directory failed; the error knows it by its descriptor only. */
export function folderUnreadable(path: PathText, error: AppError): WarningRecord {
  const message = error.message.replace(/opened as descriptor \d+/u, shown(path));
  return { path, code: error.code, message };
}

export function changedWhileRead(path: PathText): WarningRecord {
  return { path, code: "ERR_SOURCE_CHANGED", message: `${shown(path)} changed while it was read.` };
}

export function attributesMissing(path: PathText): WarningRecord {
  const message = `Not all attributes of ${shown(path)} could be read.`;
  return { path, code: "ERR_SOURCE_UNREADABLE", message };
}
