/**
 * Objects that are small or few, checked by the main thread: config, slots, copies, sessions, condemned packs.
 *
 * @module
 */
import { ByteReader } from "@holdfast/kernel";
import { decodeManifest, openDetails, openTable } from "../copies/manifest.ts";
import { checkConfigMac, decodeConfig } from "../format/config.ts";
import { checkNamedByHash, readHead, withoutChecksum } from "../format/head.ts";
import { hashOfName } from "../format/object-names.ts";
import { configKeyOf, type KeySet } from "../keys/key-set.ts";
import { decodeSlot, openSlotLabel } from "../keys/slot.ts";
import type { SessionKeyring } from "../packs/session-keys.ts";
import { decodeCondemned } from "../sessions/condemned.ts";
import { decodeSessionBeat } from "../sessions/session-object.ts";
import { decodeWait } from "../sessions/wait.ts";
import { collect } from "./check-pack.ts";
import type { ListedObject } from "./object-list.ts";

export interface SmallObjectKeys {
  readonly keys: KeySet;
  /** Given with the read capability. */
  readonly keyring: SessionKeyring | undefined;
}

/** Checksum and head. @param repository when known, the id that the object must carry. */
export function checkWithoutKeys(
  bytes: Buffer,
  { name, kind }: ListedObject,
  repository: Buffer | undefined,
): readonly string[] {
  const problems: string[] = [];
  collect(problems, () => {
    if (kind === "config" || kind === "session") withoutChecksum(bytes, name);
    else checkNamedByHash(bytes, name);
    readHead(new ByteReader(bytes, `The object ${name}`), kind, repository);
    if (kind === "config") decodeConfig(bytes);
  });
  return problems;
}

/** Also opens what the keys open. */
export function checkSmallObject(
  bytes: Buffer,
  object: ListedObject,
  { keys, keyring }: SmallObjectKeys,
): readonly string[] {
  const problems = [...checkWithoutKeys(bytes, object, keys.repository)];
  if (problems.length === 0) {
    collect(problems, () => {
      decode(bytes, object, keys, keyring);
    });
  }
  return problems;
}

function decode(
  bytes: Buffer,
  { name, kind }: ListedObject,
  keys: KeySet,
  keyring: SessionKeyring | undefined,
): void {
  switch (kind) {
    case "config":
      checkConfigMac(bytes, configKeyOf(keys));
      return;
    case "slot":
      // Whether its root box opens, only the holder of its key can say; the label authenticates everything before it.
      openSlotLabel(decodeSlot(bytes, name, keys.repository), keys.tableKey, name);
      return;
    case "copy": {
      const manifest = decodeManifest(bytes, hashOfName(name)?.toString("hex") ?? name, keys.repository);
      openTable(manifest, keys.tableKey);
      if (keyring !== undefined) openDetails(manifest, keys.tableKey, keys.repository, keyring);
      return;
    }
    case "session":
      decodeSessionBeat(bytes, name, keys.repository, keys.tableKey);
      return;
    case "condemned":
      decodeCondemned(bytes, name, keys.repository, keys.tableKey);
      return;
    case "wait":
      decodeWait(bytes, name, keys.repository, keys.tableKey);
      return;
    case "pack":
    case "index":
      throw new Error("packs and segments are checked by threads");
  }
}
