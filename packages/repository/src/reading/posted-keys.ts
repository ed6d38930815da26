import type { KeySet } from "../keys/key-set.ts";

/** The keys that reading takes, out of a key set that may have been posted: its buffers are plain arrays then. */
export function readingKeys(keys: KeySet): KeySet {
  const { repository, tableKey, idKey, privateSeed } = keys;
  return {
    repository: bufferOf(repository),
    tableKey: bufferOf(tableKey),
    ...(idKey === undefined ? {} : { idKey: bufferOf(idKey) }),
    ...(privateSeed === undefined ? {} : { privateSeed: bufferOf(privateSeed) }),
  };
}

/** The same memory as a Buffer: what is wiped there is wiped here. */
export function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
