/**
 * What binds the boxes of the vault to their place (docs/security.md, section 1.1).
 *
 * A context is "holdfast/vault/1/" and the kind in ASCII, and then each field as its length (u32) and its bytes, first of all
 * the vault's id. Texts are UTF-8, numbers are u64; all numbers are little-endian.
 *
 * @module
 */
import { ByteWriter } from "@holdfast/kernel";
import type { ValueName } from "./vault.ts";

type ContextKind = "slot" | "term" | "key" | "value" | "head" | "recovery" | "kit-check";
type Field = string | number | Uint8Array;

export function vaultContext(kind: ContextKind, vaultId: Uint8Array, ...fields: readonly Field[]): Buffer {
  const writer = new ByteWriter().raw(Buffer.from(`holdfast/vault/1/${kind}`, "ascii"));
  for (const field of [vaultId, ...fields]) {
    const bytes = bytesOf(field);
    writer.u32(bytes.length).raw(bytes);
  }
  return writer.finish();
}

/** As the database has it: whatever kind it says. */
export type StoredName = Omit<ValueName, "kind"> & { readonly kind: string };

/** Of the key of a value, and of the value. */
export function valueContext(kind: "key" | "value", vaultId: Uint8Array, name: StoredName): Buffer {
  return vaultContext(kind, vaultId, name.kind, name.id, name.version, name.field);
}

function bytesOf(field: Field): Uint8Array {
  if (typeof field === "string") return Buffer.from(field, "utf8");
  if (typeof field === "number") return new ByteWriter(8).u64(BigInt(field)).finish();
  return field;
}
