/**
 * The memory of transfers. Every piece that goes through a socket, a cipher or a protocol's library leaves one or more
 * buffers behind; left alone, the engine looks through all of its memory after every 64 MB of them, which took a third of
 * the CPU time of a restore. Collecting the young objects in time frees them for nearly nothing.
 *
 * @module
 */
import { createMinorCollection, keepFreedMemory } from "@holdfast/kernel";

/** Of each piece that HTTP brings: what came out of TLS, what the parser made of it, and its place in the result. */
export const READ_BUFFERS = 3;
const COLLECT_AFTER_BYTES = 16 * 1024 * 1024;

let note: ((bytes: number) => void) | undefined;

/** To be called with the length of each piece that was sent or received, times the number of buffers it took. */
export function noteBuffers(bytes: number): void {
  if (note === undefined) {
    keepFreedMemory();
    note = createMinorCollection(COLLECT_AFTER_BYTES);
  }
  note(bytes);
}
