/**
 * What goes into an archive, whatever its form.
 *
 * @module
 */
import { AppError } from "@holdfast/kernel";
import type { Entry } from "@holdfast/repository";

export interface ArchiveEntry {
  /** As it is to stand in the archive: relative, without slashes around. */
  readonly path: Buffer;
  readonly entry: Entry;
  /** Of a file: its bytes, `entry.size` of them. Asked for once, when its turn comes. */
  readonly content: () => AsyncIterable<Uint8Array>;
}

export interface ArchiveOptions {
  /** Told of each entry that the form cannot hold. */
  readonly onLeftOut?: (path: Buffer, reason: string) => void;
}

/** Passes bytes on, and fails when there are more or fewer than there should be. */
export async function* exactly(
  content: AsyncIterable<Uint8Array>,
  size: number,
  path: Buffer,
): AsyncGenerator<Uint8Array, void, undefined> {
  let left = size;
  for await (const piece of content) {
    left -= piece.length;
    if (left < 0) break;
    yield piece;
  }
  if (left === 0) return;
  const subject = path.toString("utf8");
  throw new AppError("ERR_DAMAGED", `${subject} has another size than the copy says.`, {
    subject,
    remedy: "Verify the repository with its data to learn what is touched.",
  });
}

/** Why neither form holds such an entry; `undefined` for those that they hold. */
export function leftOutReason({ kind }: Entry): string | undefined {
  if (kind === "file" || kind === "directory" || kind === "symlink") return undefined;
  return `Entries of the kind ${kind} are not put into archives.`;
}
