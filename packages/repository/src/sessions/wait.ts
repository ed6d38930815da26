/**
 * Wait objects: for which sessions the deletion of condemned packs waits, and whether it is done (docs/format.md, section 9).
 *
 * @module
 */
import { sealBox, sha256 } from "@holdfast/crypto";
import { ByteReader, ByteWriter, isAppError } from "@holdfast/kernel";
import type { Storage } from "@holdfast/storage";
import { checkNamedByHash, HASH_BYTES, readHead, writeHead } from "../format/head.ts";
import { hashedName, hashOfName, PREFIXES } from "../format/object-names.ts";
import { SESSION_ID_BYTES } from "../packs/pack-format.ts";
import { getIfThere } from "../storage-reading.ts";
import { openOwnBox } from "../format/own-box.ts";

export interface Wait {
  /** Name of the object. */
  readonly name: string;
  readonly timeMs: number;
  /** Name of the condemned object. */
  readonly condemned: string;
  /** The packs are deleted; the condemned object stays until every list shows so. */
  readonly isDone: boolean;
  /** Sessions, in hex, that were there when the packs were condemned already, and may not know it. */
  readonly sessions: readonly string[];
}

/** More sessions at once make no sense. */
const SESSIONS_MAX = 1_000_000;

export function encodeWait(
  repository: Buffer,
  tableKey: Buffer,
  wait: Omit<Wait, "name">,
): { readonly name: string; readonly bytes: Buffer } {
  const hash = hashOfName(wait.condemned);
  if (hash === undefined) throw new Error("a wait goes with a condemned object");
  const head = writeHead(new ByteWriter(), "wait", repository).finish();
  const inner = new ByteWriter(wait.sessions.length * SESSION_ID_BYTES + 64)
    .u64(BigInt(Math.trunc(wait.timeMs)))
    .raw(hash)
    .u8(wait.isDone ? 1 : 0)
    .u32(wait.sessions.length);
  for (const session of wait.sessions) inner.raw(Buffer.from(session, "hex"));
  const box = sealBox(tableKey, boxContext(head), inner.finish());
  const bytes = new ByteWriter(box.length + 64).raw(head).u32(box.length).raw(box).finish();
  return { name: hashedName("wait", sha256(bytes)), bytes };
}

/** @throws AppError `ERR_DAMAGED`. */
export function decodeWait(bytes: Buffer, name: string, repository: Buffer, tableKey: Buffer): Wait {
  checkNamedByHash(bytes, name);
  const what = `The object ${name}`;
  const reader = new ByteReader(bytes, what);
  readHead(reader, "wait", repository);
  const head = bytes.subarray(0, reader.offset);
  const box = reader.raw(reader.u32());
  reader.end();
  const inner = new ByteReader(openOwnBox(tableKey, boxContext(head), box, what), what);
  const timeMs = Number(inner.u64());
  const condemned = hashedName("condemned", inner.raw(HASH_BYTES));
  const done = inner.u8();
  const count = inner.u32();
  if (done > 1 || count > SESSIONS_MAX || inner.left !== count * SESSION_ID_BYTES) {
    inner.fail("its length does not fit");
  }
  const sessions = Array.from({ length: count }, () => inner.raw(SESSION_ID_BYTES).toString("hex"));
  return { name, timeMs, condemned, isDone: done === 1, sessions };
}

/** Every wait. A damaged one only makes somebody wait anew: it is given by its name alone. */
export async function listWaits(
  storage: Storage,
  repository: Buffer,
  tableKey: Buffer,
): Promise<{ readonly waits: readonly Wait[]; readonly damaged: readonly string[] }> {
  const waits: Wait[] = [];
  const damaged: string[] = [];
  for await (const { name } of storage.list(PREFIXES.wait)) {
    if (hashOfName(name) === undefined) continue;
    const bytes = await getIfThere(storage, name);
    if (bytes === undefined) continue;
    try {
      waits.push(decodeWait(bytes, name, repository, tableKey));
    } catch (error) {
      if (!isAppError(error, "ERR_DAMAGED")) throw error;
      damaged.push(name);
    }
  }
  return { waits, damaged };
}

function boxContext(head: Buffer): Buffer {
  return Buffer.concat([Buffer.from("holdfast/1/wait", "latin1"), head]);
}
