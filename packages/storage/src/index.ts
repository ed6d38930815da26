// The public surface of this package.
export type { ByteRange, ObjectInfo, PutOptions, Storage, StorageCapabilities } from "./contract.ts";
export { LocalStorage, type LocalStorageOptions, openLocalStorage } from "./local/local-storage.ts";
export { checkObjectName, isObjectName } from "./names.ts";
export { type OpenStorageOptions, openStorage } from "./open-storage.ts";
