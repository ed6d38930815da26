import { closeDirectory, openTopDirectory } from "../posix/directory.ts";
import type { EntryLooker } from "./entry-looker.ts";
import type { PathText } from "./path-text.ts";
import type { SourcePaths } from "./source-paths.ts";

/** Looks at the directory that a link leads to; 0, or the negated error number. */
export function lookBehindLink(looker: EntryLooker, places: SourcePaths, path: PathText): number {
  const handle = openTopDirectory(places.systemPath(path));
  if (typeof handle === "number") return handle;
  try {
    return looker.lookAtOpen(handle.fd);
  } finally {
    closeDirectory(handle);
  }
}
