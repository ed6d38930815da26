// The public surface of this package.
export { FRAME_BOX_OVERHEAD_BYTES, openNonce, sealNonce } from "./frame-box.ts";
export {
  type FrameKeys,
  frameKeys,
  openFrame,
  plaintextLengthMax,
  sealedLength,
  sealFrame,
} from "./frames.ts";
export { deriveKey, hkdfExpand, hkdfExtract } from "./hkdf.ts";
export { type ChunkIdHasher, chunkIdHasher, HASH_BYTES, hmacSha256, sha256 } from "./mac.ts";
export { type Level, type Method, SUITE_NONE, SUITES, type Suite, suiteByCode, suiteFor } from "./suites.ts";
