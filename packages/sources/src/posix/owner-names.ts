/**
 * Names of users and groups, both ways, each asked for once.
 *
 * The C library answers from every source the machine is set up with (files, LDAP, SSSD); without it the files
 * `/etc/passwd` and `/etc/group` are read once.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { ERRNO } from "./errno.ts";
import { nativeBinding, type NativeBinding, type NativeFunction } from "./native-binding.ts";

export interface OwnerNames {
  readonly userName: (uid: number) => string | undefined;
  readonly groupName: (gid: number) => string | undefined;
  readonly userId: (name: string) => number | undefined;
  readonly groupId: (name: string) => number | undefined;
}

let cached: OwnerNames | undefined;

/** The names known to this machine; answers are kept for the life of the thread. */
export function ownerNames(): OwnerNames {
  if (cached !== undefined) return cached;
  const binding = nativeBinding();
  const source = typeof binding === "string" ? fileSource() : nativeSource(binding);
  cached = {
    userName: remembered(source.userName),
    groupName: remembered(source.groupName),
    userId: remembered(source.userId),
    groupId: remembered(source.groupId),
  };
  return cached;
}

function remembered<K, V>(find: (key: K) => V | undefined): (key: K) => V | undefined {
  const answers = new Map<K, V | undefined>();
  return (key) => {
    if (answers.has(key)) return answers.get(key);
    const found = find(key);
    answers.set(key, found);
    return found;
  };
}

/** struct passwd and struct group begin alike: name, password, then the number (passwd: uid; group: gid). */
const RECORD_LENGTH = 64;
const NUMBER_OFFSET = 16;
const TEXT_LENGTH = 16 * 1024;
const TEXT_LENGTH_MAX = 1024 * 1024;

function nativeSource(binding: NativeBinding): OwnerNames {
  const nameOf = (call: NativeFunction, id: number): string | undefined => {
    const found = lookUp(call, id);
    if (found === undefined) return undefined;
    const start = Number(found.record.readBigUInt64LE(0) - binding.addressOf(found.text));
    if (start < 0 || start >= found.text.length) return undefined;
    return found.text.toString("utf8", start, found.text.indexOf(0, start));
  };
  return {
    userName: (uid) => nameOf(binding.getpwuid, uid),
    groupName: (gid) => nameOf(binding.getgrgid, gid),
    userId: (name) => idOf(binding.getpwnam, name),
    groupId: (name) => idOf(binding.getgrnam, name),
  };
}

function idOf(call: NativeFunction, name: string): number | undefined {
  return name.includes("\0")
    ? undefined
    : lookUp(call, Buffer.from(`${name}\0`))?.record.readUInt32LE(NUMBER_OFFSET);
}

interface FoundRecord {
  readonly record: Buffer;
  readonly text: Buffer;
}

function lookUp(call: NativeFunction, key: number | Uint8Array): FoundRecord | undefined {
  for (let length = TEXT_LENGTH; length <= TEXT_LENGTH_MAX; length *= 4) {
    const record = Buffer.alloc(RECORD_LENGTH);
    const text = Buffer.alloc(length);
    const result = Buffer.alloc(8);
    // These calls return the error number itself. A large group does not fit and asks for more room.
    const errno = call(key, record, text, text.length, result);
    if (errno === ERRNO.ERANGE) continue;
    return errno === 0 && result.readBigUInt64LE(0) !== 0n ? { record, text } : undefined;
  }
  return undefined;
}

function fileSource(): OwnerNames {
  const users = parseAccounts("/etc/passwd");
  const groups = parseAccounts("/etc/group");
  return {
    userName: (uid) => users.names.get(uid),
    groupName: (gid) => groups.names.get(gid),
    userId: (name) => users.ids.get(name),
    groupId: (name) => groups.ids.get(name),
  };
}

interface Accounts {
  readonly names: ReadonlyMap<number, string>;
  readonly ids: ReadonlyMap<string, number>;
}

function parseAccounts(path: string): Accounts {
  const names = new Map<number, string>();
  const ids = new Map<string, number>();
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    return { names, ids };
  }
  for (const line of text.split("\n")) {
    const [name, , number] = line.split(":");
    if (name === undefined || number === undefined || !/^\d+$/u.test(number)) continue;
    if (!names.has(Number(number))) names.set(Number(number), name);
    if (!ids.has(name)) ids.set(name, Number(number));
  }
  return { names, ids };
}
