// What the rest of this package uses of the chunk index.
export { type ChunkIndex, openChunkIndex } from "./chunk-index.ts";
export { ClaimTable } from "./claim-table.ts";
export type { ChunkPlace, IndexedPack } from "./entry.ts";
export {
  type DamagedSegment,
  type LoadedIndex,
  type LoadSnapshotOptions,
  loadSnapshot,
} from "./load-snapshot.ts";
export { type MergedSegment, type MergeOptions, mergeSegments } from "./merge.ts";
export { SegmentBuilder } from "./segment-builder.ts";
export { readSegment } from "./segment-reader.ts";
export {
  type ChunkIndexSnapshot,
  describeSegment,
  readersOf,
  type SegmentDescription,
} from "./snapshot.ts";
