// What `@peculiar/x509` asks for before it loads: three functions of the former proposal "metadata reflection".
const stored = new WeakMap<object, Map<unknown, unknown>>();
const read = (key: unknown, target: object): unknown => stored.get(target)?.get(key);
const define = (key: unknown, value: unknown, target: object): void => {
  stored.set(target, (stored.get(target) ?? new Map<unknown, unknown>()).set(key, value));
};

Object.assign(Reflect, { getMetadata: read, getOwnMetadata: read, defineMetadata: define });
