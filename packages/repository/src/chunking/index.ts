export { GEAR_TABLE_BYTES, gearTable } from "./gear.ts";
export { CHUNK_AVERAGE, CHUNK_MAX, CHUNK_MIN } from "./rule.ts";
export { createReferenceScanner, createScanner, type Scanner, ZERO_BLOCK } from "./scanner.ts";
