export { ByteReader, ByteWriter } from "./bytes.ts";
export { damaged, VERIFY_DATA_REMEDY, VERIFY_REMEDY } from "./damaged.ts";
export { errorCode } from "./error-code.ts";
export {
  AppError,
  ERROR_CODES,
  type ErrorCode,
  type ErrorContext,
  type ErrorRecord,
  fromErrorRecord,
  isAppError,
  toErrorRecord,
} from "./errors.ts";
export { makeFolder, makeFolderSync } from "./folders.ts";
export { newId, ULID_PATTERN } from "./ids.ts";
export {
  collectAll,
  createMinorCollection,
  deferMajorCollections,
  limitYoungObjects,
} from "./minor-collection.ts";
export { freeBytes, keepFreedMemory } from "./memory.ts";
export { type Clock, type Randomness, systemClock, systemRandomness } from "./ports.ts";
export { threadEnded } from "./thread-ended.ts";
