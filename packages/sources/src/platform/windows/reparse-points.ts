/**
 * Reparse points: REPARSE_DATA_BUFFER ([MS-FSCC] 2.1.2.4 and 2.1.2.5), as FSCTL_GET_REPARSE_POINT gives it.
 *
 * @module
 */
export const REPARSE_BYTES_MAX = 16 * 1024;
const TAG = { mountPoint: 0xa000_0003, symlink: 0xa000_000c, dedup: 0x8000_0013, wof: 0x8000_0017 } as const;
const VOLUME_TARGET = /^\\\?\?\\Volume\{[0-9a-f-]+\}\\?$/iu;

/**
 * `link`: a symbolic link. `junction`: one to a folder, resolved on the machine itself. `mount`: another volume.
 * `plain`: Windows shows the content to everybody as if there were no reparse point. `other`: what reading gives depends
 * on a program.
 */
export type ReparseKind = "link" | "junction" | "mount" | "plain" | "other";

export function reparseKindOf(bytes: Buffer): ReparseKind {
  if (bytes.length < 8) return "other";
  switch (bytes.readUInt32LE(0)) {
    case TAG.symlink:
      return "link";
    case TAG.mountPoint: {
      const target = mountTarget(bytes);
      if (target === undefined) return "other";
      return VOLUME_TARGET.test(target) ? "mount" : "junction";
    }
    case TAG.dedup:
    case TAG.wof:
      return "plain";
    default:
      return "other";
  }
}

/** The substitute name of a mount point: u16 offset, length of it and of the name to be shown, then UTF-16. */
function mountTarget(bytes: Buffer): string | undefined {
  if (bytes.length < 16) return undefined;
  const start = 16 + bytes.readUInt16LE(8);
  const end = start + bytes.readUInt16LE(10);
  return end > bytes.length ? undefined : bytes.toString("utf16le", start, end);
}
