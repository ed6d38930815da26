/**
 * The bytes of the chain of audit rows (docs/security.md, section 4).
 *
 *     hash of row n = SHA-256("holdfast/audit/1" ‖ hash of row n - 1, 32 zero bytes for the first ‖
 *                             number, at, actor kind, actor id, action, subject kind, subject id, details)
 *     a checkpoint signs      "holdfast/audit/1/checkpoint" ‖ vault id, number, at, hash of the row of that number
 *
 * Each field is its length (u32) and its bytes; texts are UTF-8, numbers are u64; numbers are little-endian. Details are JSON
 * without spaces, its names sorted by their UTF-16 code units.
 *
 * @module
 */
import { HASH_BYTES, sha256 } from "@holdfast/crypto";
import { ByteWriter } from "@holdfast/kernel";
import type { AuditRowsTable } from "../database/tables.ts";

export type AuditRow = AuditRowsTable;

/** What the first row follows. */
export const CHAIN_START: Buffer = Buffer.alloc(HASH_BYTES);

/** Every row of a number that this divides gets a checkpoint together with it. */
export const CHECKPOINT_ROWS = 256;

export function rowHash(previous: Uint8Array, row: Omit<AuditRow, "hash">): Buffer {
  return sha256(
    fields(new ByteWriter(512).raw(Buffer.from("holdfast/audit/1", "ascii")).raw(previous), [
      row.number,
      row.at,
      row.actor_kind,
      row.actor_id,
      row.action,
      row.subject_kind,
      row.subject_id,
      row.details,
    ]),
  );
}

export interface Checkpoint {
  readonly number: number;
  readonly at: number;
  /** Of the row of that number. */
  readonly hash: Buffer;
}

export function checkpointBytes(vaultId: Uint8Array, { number, at, hash }: Checkpoint): Buffer {
  const label = Buffer.from("holdfast/audit/1/checkpoint", "ascii");
  return fields(new ByteWriter(256).raw(label), [vaultId, number, at, hash]);
}

/** The details of a row as they are stored and hashed. */
export function detailsText(details: Readonly<Record<string, unknown>>): string {
  const names = Object.keys(details).toSorted((a, b) => (a < b ? -1 : 1));
  return JSON.stringify(Object.fromEntries(names.map((name) => [name, details[name]])));
}

function fields(writer: ByteWriter, values: readonly (string | number | Uint8Array)[]): Buffer {
  for (const value of values) {
    const bytes =
      typeof value === "string"
        ? Buffer.from(value, "utf8")
        : typeof value === "number"
          ? new ByteWriter(8).u64(BigInt(value)).finish()
          : value;
    writer.u32(bytes.length).raw(bytes);
  }
  return writer.finish();
}
