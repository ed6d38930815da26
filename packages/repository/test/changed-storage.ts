import type { Storage } from "@holdfast/storage";

/** A storage of which some calls do something else. */
export function withCalls(storage: Storage, calls: Partial<Storage>): Storage {
  return {
    location: storage.location,
    capabilities: storage.capabilities,
    put: (name, bytes, options) => storage.put(name, bytes, options),
    get: (name, range, signal) => storage.get(name, range, signal),
    list: (prefix, signal) => storage.list(prefix, signal),
    stat: (name) => storage.stat(name),
    delete: (name) => storage.delete(name),
    free: () => storage.free(),
    localPath: (name) => storage.localPath(name),
    [Symbol.asyncDispose]: () => storage[Symbol.asyncDispose](),
    ...calls,
  };
}
