import { closeDirectory, openTopDirectory } from "../posix/directory.ts";
import { type EntryMetadata, readOpenMetadata } from "../posix/entry-metadata.ts";
import { absolutePath, type PathText } from "./path-text.ts";

/** The metadata of the directory that a link leads to; the negated error number on failure. */
export function followedMetadata(path: PathText): EntryMetadata | number {
  const handle = openTopDirectory(absolutePath(path));
  if (typeof handle === "number") return handle;
  try {
    return readOpenMetadata(handle.fd);
  } finally {
    closeDirectory(handle);
  }
}
