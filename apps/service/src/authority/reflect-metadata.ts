/**
 * The three functions of the former proposal "metadata reflection" that `@peculiar/x509` asks for through `tsyringe`, which
 * refuses to load without them. Imported before it; what is there already stays.
 *
 * @module
 */
const stored = new WeakMap<object, Map<unknown, unknown>>();

function read(key: unknown, target: object): unknown {
  return stored.get(target)?.get(key);
}

function define(key: unknown, value: unknown, target: object): void {
  const entries = stored.get(target) ?? new Map<unknown, unknown>();
  entries.set(key, value);
  stored.set(target, entries);
}

if (!("getMetadata" in Reflect)) {
  Object.assign(Reflect, { getMetadata: read, getOwnMetadata: read, defineMetadata: define });
}
