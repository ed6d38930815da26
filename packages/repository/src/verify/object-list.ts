/**
 * All objects of a repository, by what their names say they are.
 *
 * @module
 */
import type { ObjectInfo, Storage } from "@holdfast/storage";
import type { ObjectKind } from "../format/head.ts";
import { CONFIG_NAME, hashOfName, packName, PREFIXES } from "../format/object-names.ts";
import { parseSessionName } from "../sessions/session-object.ts";

export interface ListedObject {
  readonly name: string;
  readonly size: number;
  readonly kind: ObjectKind;
}

/** Objects by kind; files that are no objects of a repository are left out. */
export async function listObjects(storage: Storage, signal?: AbortSignal): Promise<ListedObject[]> {
  const objects: ListedObject[] = [];
  for await (const object of storage.list("", signal)) {
    const kind = kindOf(object);
    if (kind !== undefined) objects.push({ name: object.name, size: object.size, kind });
  }
  return objects;
}

const HASHED = ["slot", "index", "copy", "condemned", "wait"] as const;

function kindOf({ name }: ObjectInfo): ObjectKind | undefined {
  if (name === CONFIG_NAME) return "config";
  const hash = hashOfName(name);
  if (name.startsWith(PREFIXES.pack)) {
    return hash !== undefined && packName(hash) === name ? "pack" : undefined;
  }
  if (name.startsWith(PREFIXES.session)) return parseSessionName(name) === undefined ? undefined : "session";
  const kind = HASHED.find((candidate) => name.startsWith(PREFIXES[candidate]));
  return kind !== undefined && hash !== undefined && name.indexOf("/") === name.lastIndexOf("/")
    ? kind
    : undefined;
}
