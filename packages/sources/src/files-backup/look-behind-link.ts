import { closeDirectory, openTopDirectory } from "../posix/directory.ts";
import type { EntryLooker } from "./entry-looker.ts";
import { absolutePath, type PathText } from "./path-text.ts";

/** Looks at the directory that a link leads to; 0, or the negated error number. */
export function lookBehindLink(looker: EntryLooker, path: PathText): number {
  const handle = openTopDirectory(absolutePath(path));
  if (typeof handle === "number") return handle;
  try {
    return looker.lookAtOpen(handle.fd);
  } finally {
    closeDirectory(handle);
  }
}
