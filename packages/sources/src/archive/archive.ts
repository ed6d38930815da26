/**
 * A folder of a copy as one stream of bytes that ordinary programs unpack.
 *
 * `zip`: opens everywhere; it keeps names, times, permissions and symbolic links. `tar`: keeps names byte by byte, owners and
 * nanoseconds as well; compressed with Zstandard. Neither has pipes, sockets and devices.
 *
 * @module
 */
import type { ArchiveEntry, ArchiveOptions } from "./archive-entry.ts";
import { tarBytes } from "./tar.ts";
import { zipBytes } from "./zip.ts";

export type ArchiveForm = "zip" | "tar";

/** @throws what `entries` and their contents throw; `ERR_DAMAGED` when a content has not the size that its entry says. */
export function archiveBytes(
  form: ArchiveForm,
  entries: AsyncIterable<ArchiveEntry>,
  options: ArchiveOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  return form === "zip" ? zipBytes(entries, options) : tarBytes(entries, options);
}
