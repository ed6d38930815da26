/**
 * The parsers and writers of single structures, for tests outside of this package that damage them: `test/fuzz`,
 * `test/damage`, `test/hostile`. Not a public surface.
 *
 * @module
 */
export { describeSegment, readSegment, SegmentBuilder } from "../src/chunk-index/index.ts";
export {
  encodeSegmentHead,
  FRAME_BYTES,
  type SegmentCounts,
  segmentFrameKey,
  segmentLayout,
} from "../src/chunk-index/segment-format.ts";
export { sealSection } from "../src/chunk-index/segment-frames.ts";
export { decodeManifest, encodeManifest, openDetails, openTable } from "../src/copies/manifest.ts";
export { checkConfigMac, decodeConfig, encodeConfig } from "../src/format/config.ts";
export { hashedName } from "../src/format/object-names.ts";
export { configKeyOf, openRootSecret } from "../src/keys/key-set.ts";
export { decodeSlot, encodeSlot, openSlot, openSlotLabel } from "../src/keys/slot.ts";
export {
  decodePackFront,
  encodePackFront,
  openDirectory,
  openPackEnd,
  PACK_END_BYTES,
  writePackEnd,
} from "../src/packs/pack-format.ts";
export { type PackKey, packKeyOf } from "../src/packs/pack-key.ts";
export { openPackInMemory } from "../src/packs/read-directory.ts";
export { decodeHeader, HEADER_BYTES } from "../src/packs/record-header.ts";
export { type OpenRecord, openPlaintext, openRecord, openRefs } from "../src/packs/record-opener.ts";
export { refsContext } from "../src/packs/record-sealer.ts";
export { newSessionKey, openEnvelope, SessionKeyring } from "../src/packs/session-keys.ts";
export { decodeCondemned, encodeCondemned } from "../src/sessions/condemned.ts";
export { decodeSessionBeat, encodeSessionBeat } from "../src/sessions/session-object.ts";
export { decodeWait } from "../src/sessions/wait.ts";
export { decodeList, encodeList } from "../src/tree/content.ts";
export { type Child, decodeNode, encodeNode } from "../src/tree/node.ts";
export { decodePage, encodePage, type Section } from "../src/tree/page.ts";
