/**
 * A large file that is open to be read in pieces, past the page cache where that is possible: on virtual machines filling
 * the cache costs more CPU time than hashing what was read, and what others have in the cache stays there.
 *
 * @module
 */
import { constants, read } from "node:fs";
import { closeFile, openForReading } from "../posix/entry-metadata.ts";
import type { DirectoryHandle } from "../posix/file-calls.ts";
import { nativeBinding } from "../posix/native-binding.ts";
import { fileCalls } from "../posix/system-calls.ts";
import type { ReadAtLater } from "./piece-reader.ts";

/** A multiple of every usual block size. */
const ALIGNMENT = 4096;
const DIRECT = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_DIRECT;

export interface PieceFile {
  readonly fd: number;
  readonly readAt: ReadAtLater;
  readonly close: () => void;
}

/** The negated error number on failure. */
export function openPieceFile(directory: DirectoryHandle, name: Uint8Array): PieceFile | number {
  const fd = openForReading(directory, name);
  if (fd < 0) return fd;
  let direct = typeof nativeBinding() !== "string" ? fileCalls().openFile(directory, name, DIRECT, 0) : -1;
  const closeDirect = (): void => {
    if (direct >= 0) closeFile(direct);
    direct = -1;
  };
  return {
    fd,
    readAt: async (target, offset) => {
      let done = 0;
      while (done < target.length) {
        const rest = target.subarray(done);
        const isAligned = (offset + done) % ALIGNMENT === 0 && rest.byteOffset % ALIGNMENT === 0;
        const got = await (direct >= 0 && isAligned
          ? readLater(direct, rest, offset + done).catch(() => {
              // The file system takes no such reads after all; a real failure shows again.
              closeDirect();
              return readLater(fd, rest, offset + done);
            })
          : readLater(fd, rest, offset + done));
        if (got === 0) break;
        done += got;
      }
      return done;
    },
    close: () => {
      closeDirect();
      closeFile(fd);
    },
  };
}

/** Read by the system's own threads while this one computes. */
function readLater(fd: number, target: Uint8Array, offset: number): Promise<number> {
  return new Promise((resolve, reject) => {
    read(fd, target, 0, target.length, offset, (error, bytesRead) => {
      if (error === null) resolve(bytesRead);
      else reject(error);
    });
  });
}
