/**
 * The content of a file, with many requests on their way at once, since each takes a round trip.
 *
 * @module
 */
import type { Pace } from "../remote/limits.ts";
import type { SftpSession } from "./session.ts";

/** What SSH's window of a channel lets through in either direction (2 MiB in OpenSSH and in the library). */
const WINDOW = 2 * 1024 * 1024;
/** Each may wait for its piece's turn, and whoever cancels waits for all of them: a quarter of a second. */
const PACED_LANES = 4;

/** Writes `bytes` from the start of the file. They are not read any more once this has ended, in whatever way. */
export async function writeContent(session: SftpSession, handle: Buffer, bytes: Buffer): Promise<void> {
  const pace = session.rate?.up;
  await inParallel(bytes.length, session.chunkLength, pace, async (start, length) => {
    await pace?.take(length);
    await session.write(handle, bytes, start, length, start);
  });
}

/**
 * Fills `target` from `offset` on.
 *
 * @returns Bytes up to the first that is missing, the length of `target` when none is.
 */
export async function readContent(
  session: SftpSession,
  handle: Buffer,
  target: Buffer,
  offset: number,
): Promise<number> {
  let filled = target.length;
  const pace = session.rate?.down;
  await inParallel(target.length, session.chunkLength, pace, async (start, length) => {
    await pace?.take(length);
    const end = start + length;
    // Servers may answer with less than was asked for (draft-02 section 6.4).
    for (let done = start; done < end; ) {
      const count = await session.read(handle, target, done, end - done, offset + done);
      if (count === 0) {
        filled = Math.min(filled, done);
        return;
      }
      done += count;
    }
  });
  return filled;
}

/** After an error no new piece is begun, and those that were begun have ended before this rejects. */
async function inParallel(
  total: number,
  chunkLength: number,
  pace: Pace | undefined,
  transfer: (start: number, length: number) => Promise<void>,
): Promise<void> {
  const pieceLength = pace?.pieceLength(chunkLength) ?? chunkLength;
  const lanesMax = pace === undefined ? Math.max(2, Math.ceil(WINDOW / pieceLength)) : PACED_LANES;
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < total) {
      const start = next;
      const length = Math.min(pieceLength, total - start);
      next = start + length;
      try {
        await transfer(start, length);
      } catch (error) {
        next = total;
        throw error;
      }
    }
  };
  const lanes = Math.min(Math.ceil(total / pieceLength), lanesMax);
  const outcomes = await Promise.allSettled(Array.from({ length: lanes }, lane));
  for (const outcome of outcomes) {
    if (outcome.status === "rejected") throw outcome.reason;
  }
}
