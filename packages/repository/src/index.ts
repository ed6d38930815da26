// The public surface of this package.
export {
  type ChunkIndex,
  type ChunkIndexSnapshot,
  ClaimTable,
  openChunkIndex,
  type SegmentDescription,
} from "./chunk-index/index.ts";
export {
  CHUNK_MAX,
  createScanner,
  GEAR_TABLE_BYTES,
  gearTable,
  type Scanner,
  ZERO_BLOCK,
} from "./chunking/index.ts";
export {
  type Copy,
  type CopyList,
  type ListedCopy,
  listCopies,
  resolveCopy,
  withDetails,
} from "./copies/copies.ts";
export { type CopyDetails, type CopyTable, groupOf, type TreeRoot } from "./copies/manifest.ts";
export type { RepositoryConfig } from "./format/config.ts";
export { type Capability, deriveKeySet, type KeySet, requireKey, wipeKeySet } from "./keys/key-set.ts";
export { openSlot, type SlotKey, type SlotTarget } from "./keys/slot.ts";
export { addSlot, labelOf, listSlots, removeSlot, type StoredSlot } from "./keys/slots.ts";
export { clean } from "./maintenance/clean.ts";
export type { CleanOptions, CleanPhase, CleanProgress, CleanResult } from "./maintenance/clean-options.ts";
export { forgetCopies } from "./maintenance/forget.ts";
export {
  replicate,
  type ReplicateOptions,
  type ReplicateProgress,
  type ReplicateResult,
} from "./maintenance/replicate.ts";
export { newDirectoryEntry, writeDirectoryEntry } from "./packs/directory-entry.ts";
export { type ArenaMemory, newArenaMemory, PackArena, type SealedSlot } from "./packs/pack-arena.ts";
export { newPackRegion, PackBuilder } from "./packs/pack-builder.ts";
export { DIRECTORY_ENTRY_BYTES, PACK_KINDS } from "./packs/pack-format.ts";
export { RECORD_TYPES } from "./packs/record-header.ts";
export { bundleId, type IdOf, idHasher } from "./packs/record-id.ts";
export { FRAME_BYTES_FILES, RecordSealer } from "./packs/record-sealer.ts";
export { type OfferedObjects, offerObjects, openObjects } from "./reading/object-source.ts";
export { type CopyReader, type CopyReaderOptions, openCopyReader } from "./reading/open-copy-reader.ts";
export { readingKeys } from "./reading/posted-keys.ts";
export { SessionKeyring } from "./packs/session-keys.ts";
export { RecordDecoder } from "./reading/record-decoder.ts";
export { isPassable } from "./reading/record-reader.ts";
export { SyncChunkReader } from "./reading/sync-chunk-reader.ts";
export type { ObjectSource, SyncObjectReader } from "./reading/sync-objects.ts";
export { type LostPart, walkWhatIsLeft, type WalkWhatIsLeftOptions } from "./reading/walk-what-is-left.ts";
export {
  type FirstSlot,
  kitOfSlot,
  lateSlots,
  type PreparedObject,
  type PreparedRepository,
  prepareRepository,
  prepareRepositoryBeside,
  prepareSlot,
  storePreparedObjects,
} from "./prepare-repository.ts";
export {
  createRepository,
  openRepository,
  openRepositoryWithKeys,
  type Protection,
  readConfig,
  recoveryPublicKey,
  type Repository,
  type RepositoryPorts,
  rootSecretOf,
} from "./repository.ts";
export {
  applyRetention,
  isEmptyPolicy,
  type RetainedCopy,
  type RetentionDecision,
  type RetentionPolicy,
} from "./retention/retention.ts";
export { MetadataPacks } from "./sessions/metadata-packs.ts";
export type { SessionProcess } from "./sessions/session-object.ts";
export { WriteSession, type WriteSessionOptions } from "./sessions/write-session.ts";
export type { Content, Segment } from "./tree/content.ts";
export { ContentListBuilder, ENTRY_SEGMENTS } from "./tree/content-list-builder.ts";
export { type PlacedSegment, readSegments } from "./tree/content-reader.ts";
export { ENTRY_LIMITS, type Entry, type FileEntry, type HardLink, type Xattr } from "./tree/entry.ts";
export type { EncodedEntries } from "./tree/entry-batch.ts";
export { decodeEntry, encodeEntry } from "./tree/entry-codec.ts";
export { compareEntries, type EntryChange } from "./tree/compare-entries.ts";
export { compareTrees, type Difference } from "./tree/compare-trees.ts";
export {
  comparePaths,
  findInTrees,
  type FindInTreesOptions,
  type FoundInTrees,
  type FoundPaths,
  keepingNodes,
} from "./tree/find-in-trees.ts";
export { compareRanges, isWithin, type Key } from "./tree/order.ts";
export type { Section } from "./tree/page.ts";
export { joinPath, keyOf, rootedPath, showPath } from "./tree/paths.ts";
export type { ReadRecord, RecordSink } from "./tree/records.ts";
export type { TreeRef } from "./tree/tree-descent.ts";
export {
  findEntries,
  type EntryMatcher,
  type FoundEntry,
  listDirectory,
  lookup,
  walkSections,
  walkUnder,
} from "./tree/tree-reader.ts";
export { TreeWriter, type WrittenTree } from "./tree/tree-writer.ts";
export {
  type DamagedObject,
  type FoundDamage,
  verifyObjects,
  type VerifyObjectsOptions,
  type VerifyProgress,
  verifyRepository,
  type VerifyRequest,
  type VerifyResult,
} from "./verify/index.ts";
