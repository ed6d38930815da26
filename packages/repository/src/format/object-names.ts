/**
 * Names of objects in the storage (docs/format.md, section 2).
 *
 * @module
 */

export const CONFIG_NAME = "config";
export const PREFIXES = {
  slot: "slots/",
  pack: "packs/",
  index: "index/",
  copy: "copies/",
  session: "sessions/",
  condemned: "condemned/",
  wait: "waits/",
} as const;

const HASH_NAME = /^[0-9a-f]{64}$/;

/** Name of an object that is called by its hash (32 bytes). */
export function hashedName(kind: "slot" | "index" | "copy" | "condemned" | "wait", hash: Uint8Array): string {
  return PREFIXES[kind] + Buffer.from(hash).toString("hex");
}

export function packName(hash: Uint8Array): string {
  const hex = Buffer.from(hash).toString("hex");
  return `${PREFIXES.pack}${hex.slice(0, 2)}/${hex}`;
}

/** The hash in the last part of a name, undefined when it is none (a foreign file in the folder). */
export function hashOfName(name: string): Buffer | undefined {
  const last = name.slice(name.lastIndexOf("/") + 1);
  return HASH_NAME.test(last) ? Buffer.from(last, "hex") : undefined;
}
