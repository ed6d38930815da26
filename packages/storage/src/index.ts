// The public surface of this package.
export {
  type ByteRange,
  type ObjectInfo,
  PLAIN_STORAGE,
  type PutOptions,
  type Storage,
  type StorageCapabilities,
} from "./contract.ts";
export { type CredentialSource, decodeStorageCredentials, type StorageCredentials } from "./credentials.ts";
export { type CrashPoint, enumerateCrashes } from "./faults/crash-points.ts";
export { type Fault, type FaultPlan, type Operation, SimulatedCrash } from "./faults/fault.ts";
export { FaultStorage, type FaultStorageOptions } from "./faults/fault-storage.ts";
export { ListHistory } from "./faults/history.ts";
export { faultAt, faultOn, firstFault, scriptedFaults, seededFaults } from "./faults/plans.ts";
export { LocalStorage, type LocalStorageOptions, openLocalStorage } from "./local/local-storage.ts";
export { MemoryStorage, type MemoryStorageOptions } from "./memory/memory-storage.ts";
export { type OpenStorageOptions, openStorage } from "./open-storage.ts";
