/**
 * Giving large buffers back at once, instead of when the garbage collector comes by.
 *
 * Ciphers and compressors of Node return each result in new memory. V8 collects it after some 64 to 120 MB a thread, so that
 * every result lies in pages that are not in any cache and often not even mapped: on a virtual machine the page faults
 * cost more than the decryption (measured for frames of 1 MiB: AES-GCM 320 against 204 us, zstd 315 against 65 us, and a
 * thread's peak falls from 300 to 70 MB).
 *
 * @module
 */

/** Smaller results may share memory with others (Node's pool), and cost little. */
const FREED_BYTES_MIN = 128 * 1024;
/** Larger than any result, and not larger than what glibc learns from (32 MiB). */
const LEARNT_BYTES = 24 * 1024 * 1024;

/**
 * Frees the memory behind `bytes`, of which every view then has the length 0. Only for the sole owner of a buffer that
 * was made for these bytes; what is small or shared between threads is left alone.
 */
export function freeBytes(bytes: Uint8Array): void {
  const { buffer } = bytes;
  if (buffer.byteLength < FREED_BYTES_MIN || !(buffer instanceof ArrayBuffer)) return;
  buffer.transfer(0);
}

/**
 * Keeps freed memory in the process, so that the next result lies in warm pages: glibc gives blocks above its threshold
 * back to the system at once, but raises the threshold when it sees a larger block freed. To be called once by
 * programs and threads that work on large buffers.
 */
export function keepFreedMemory(): void {
  new ArrayBuffer(LEARNT_BYTES).transfer(0);
}
