/**
 * Session objects: who is at work in the repository, and since when (docs/format.md, section 9).
 *
 * @module
 */
import assert from "node:assert/strict";
import { sealBox } from "@holdfast/crypto";
import { ByteReader, ByteWriter } from "@holdfast/kernel";
import { readHead, withChecksum, withoutChecksum, writeHead } from "../format/head.ts";
import { PREFIXES } from "../format/object-names.ts";
import { openOwnBox } from "../format/own-box.ts";

export const SESSION_ROLES = { writer: 1, cleaner: 2 } as const;
export type SessionRole = keyof typeof SESSION_ROLES;

/** The process that runs a session; lets the same machine see that it is gone. */
export interface SessionProcess {
  readonly host: string;
  /** Changes with every start of the machine; empty when unknown. */
  readonly bootId: string;
  readonly processId: number;
  /** When the process started, as the system tells it; empty when unknown. */
  readonly startTime: string;
}

export interface SessionBeat {
  readonly session: Buffer;
  readonly role: SessionRole;
  readonly startedMs: number;
  readonly beatMs: number;
  readonly process: SessionProcess;
}

export const BEAT_INTERVAL_MS = 10 * 60_000;
/** A session whose newest beat is older is lost: nobody waits for it any more. */
export const SESSION_LOST_MS = 24 * 3_600_000;
/** A storage with stale lists shows changes within so much time; with room for clocks that differ. */
export const STALE_LISTS_MS = 48 * 3_600_000;
/** The same where the newest beat may not show for a while. */
export const SESSION_LOST_STALE_MS = SESSION_LOST_MS + STALE_LISTS_MS;
/** A session that could not beat for so long gives up by itself, long before others call it lost. */
export const SESSION_GIVE_UP_MS = 12 * 3_600_000;

const NAME = /^sessions\/([0-9a-f]{32})\.(\d{6})$/;
/** Number of the object that stays until the session ends. */
export const FIRST_BEAT = 1;
/** Number of the object that stands in for a lost session. */
export const FENCE_BEAT = 999_999;
/** So long a process may sleep, wake up in the middle of a put, and do no harm. */
export const FENCE_KEPT_MS = 30 * 24 * 3_600_000;
const TEXT_BYTES_MAX = 1024;
const RESERVED_BYTES = 7;

export function sessionObjectName(session: Buffer, beat: number): string {
  assert(beat <= FENCE_BEAT);
  return `${PREFIXES.session}${session.toString("hex")}.${String(beat).padStart(6, "0")}`;
}

export function parseSessionName(
  name: string,
): { readonly session: string; readonly beat: number } | undefined {
  const match = NAME.exec(name);
  return match?.[1] === undefined ? undefined : { session: match[1], beat: Number(match[2]) };
}

export function encodeSessionBeat(beat: SessionBeat, repository: Buffer, tableKey: Buffer): Buffer {
  const writer = writeHead(new ByteWriter(), "session", repository)
    .raw(beat.session)
    .u8(SESSION_ROLES[beat.role])
    .raw(Buffer.alloc(RESERVED_BYTES))
    .u64(BigInt(Math.trunc(beat.startedMs)))
    .u64(BigInt(Math.trunc(beat.beatMs)));
  const { host, bootId, processId, startTime } = beat.process;
  const text = new ByteWriter().text(host).text(bootId).varint(processId).text(startTime).finish();
  const box = sealBox(tableKey, boxContext(writer.finish()), text);
  return withChecksum(writer.u32(box.length).raw(box).finish());
}

/** @throws AppError `ERR_DAMAGED`. */
export function decodeSessionBeat(
  bytes: Buffer,
  name: string,
  repository: Buffer,
  tableKey: Buffer,
): SessionBeat {
  const body = withoutChecksum(bytes, name);
  const reader = new ByteReader(body, `The object ${name}`);
  readHead(reader, "session", repository);
  const session = Buffer.from(reader.raw(16));
  const roleCode = reader.u8();
  if (roleCode !== SESSION_ROLES.writer && roleCode !== SESSION_ROLES.cleaner)
    reader.fail("its role is not known");
  const role: SessionRole = roleCode === SESSION_ROLES.cleaner ? "cleaner" : "writer";
  if (reader.raw(RESERVED_BYTES).some((byte) => byte !== 0)) reader.fail("a reserved field is set");
  const startedMs = Number(reader.u64());
  const beatMs = Number(reader.u64());
  const front = body.subarray(0, reader.offset);
  const box = reader.raw(reader.u32());
  reader.end();
  const inner = new ByteReader(
    openOwnBox(tableKey, boxContext(front), box, `The object ${name}`),
    `The object ${name}`,
  );
  const host = inner.text(TEXT_BYTES_MAX);
  const bootId = inner.text(TEXT_BYTES_MAX);
  const processId = inner.varint();
  const process = { host, bootId, processId, startTime: inner.text(TEXT_BYTES_MAX) };
  inner.end();
  return { session, role, startedMs, beatMs, process };
}

function boxContext(front: Buffer): Buffer {
  return Buffer.concat([Buffer.from("holdfast/1/session-object", "latin1"), front]);
}
