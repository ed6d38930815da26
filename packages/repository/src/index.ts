// The public surface of this package.
export {
  CHUNK_AVERAGE,
  CHUNK_MAX,
  CHUNK_MIN,
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
export {
  type CopyDetails,
  type CopyKind,
  type CopyTable,
  groupOf,
  type TreeRoot,
} from "./copies/manifest.ts";
export type { RepositoryConfig } from "./format/config.ts";
export { packName, PREFIXES } from "./format/object-names.ts";
export { type Capability, deriveKeySet, type KeySet, requireKey, wipeKeySet } from "./keys/key-set.ts";
export type { SlotKey, SlotTarget } from "./keys/slot.ts";
export { addSlot, labelOf, listSlots, removeSlot, type StoredSlot } from "./keys/slots.ts";
export { newDirectoryEntry, writeDirectoryEntry } from "./packs/directory-entry.ts";
export {
  type ArenaMemory,
  type ArenaOwner,
  newArenaMemory,
  PackArena,
  type SealedSlot,
} from "./packs/pack-arena.ts";
export { type FinishedPack, newPackRegion, PackBuilder } from "./packs/pack-builder.ts";
export { DIRECTORY_ENTRY_BYTES, PACK_KINDS } from "./packs/pack-format.ts";
export { RECORD_TYPES } from "./packs/record-header.ts";
export { bundleId, type IdOf, idHasher } from "./packs/record-id.ts";
export {
  FRAME_BYTES_FILES,
  RecordSealer,
  type SealedRecord,
  type SealerOptions,
} from "./packs/record-sealer.ts";
export { RecordDecoder } from "./reading/record-decoder.ts";
export { RecordReader } from "./reading/record-reader.ts";
export {
  createRepository,
  openRepository,
  type Protection,
  readConfig,
  recoveryPublicKey,
  type Repository,
  type RepositoryPorts,
  rootSecretOf,
} from "./repository.ts";
export { MetadataPacks } from "./sessions/metadata-packs.ts";
export type { SessionProcess } from "./sessions/session-object.ts";
export { WriteSession, type WriteSessionOptions } from "./sessions/write-session.ts";
