// What the rest of this package uses of the chunk index.
export { ChunkIndex, openChunkIndex } from "./chunk-index.ts";
export { ClaimTable, type ClaimTableOptions } from "./claim-table.ts";
export type { ChunkPlace, IndexedPack } from "./entry.ts";
export { FrameCache } from "./frame-cache.ts";
export {
  type DamagedSegment,
  type LoadedIndex,
  loadSnapshot,
  type LoadSnapshotOptions,
} from "./load-snapshot.ts";
export { type MergedSegment, type MergeOptions, mergeSegments } from "./merge.ts";
export { PackNames } from "./pack-names.ts";
export { SegmentBuilder } from "./segment-builder.ts";
export type { IndexKeys } from "./segment-format.ts";
export { readSegment, type SegmentReader } from "./segment-reader.ts";
export {
  type ChunkIndexSnapshot,
  describeSegment,
  readerOf,
  type SegmentDescription,
} from "./snapshot.ts";
