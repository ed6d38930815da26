/**
 * The slots of a repository in its storage: finding the one a key opens, adding, removing.
 *
 * @module
 */
import { sha256 } from "@holdfast/crypto";
import { AppError, isAppError } from "@holdfast/kernel";
import type { Storage } from "@holdfast/storage";
import { checkNamedByHash } from "../format/head.ts";
import { hashedName, hashOfName, PREFIXES } from "../format/object-names.ts";
import { getIfThere } from "../storage-reading.ts";
import {
  decodeSlot,
  encodeSlot,
  type NewSlot,
  openSlot,
  openSlotLabel,
  type Slot,
  type SlotKey,
} from "./slot.ts";

export interface StoredSlot {
  readonly name: string;
  /** Hex SHA-256 of the object: what a person calls the slot by. */
  readonly id: string;
  readonly slot: Slot;
}

/** Every slot object; a damaged one is given as its error, so that one bad slot does not lock the others out. */
export async function listSlots(
  storage: Storage,
  repository: Buffer,
): Promise<{ readonly slots: StoredSlot[]; readonly damaged: AppError[] }> {
  const slots: StoredSlot[] = [];
  const damaged: AppError[] = [];
  for await (const { name } of storage.list(PREFIXES.slot)) {
    if (hashOfName(name) === undefined) continue;
    const bytes = await getIfThere(storage, name);
    if (bytes === undefined) continue;
    try {
      checkNamedByHash(bytes, name);
      slots.push({ name, id: name.slice(PREFIXES.slot.length), slot: decodeSlot(bytes, name, repository) });
    } catch (error) {
      if (!isAppError(error)) throw error;
      damaged.push(error);
    }
  }
  slots.sort((a, b) => a.slot.createdMs - b.slot.createdMs || a.name.localeCompare(b.name));
  return { slots, damaged };
}

/**
 * The root secret, from the first slot that the key opens.
 *
 * @throws AppError `ERR_KEY_WRONG` when it opens none, `ERR_DAMAGED` when there is none that could be tried.
 */
export async function openRootWithSlots(storage: Storage, repository: Buffer, key: SlotKey): Promise<Buffer> {
  const { slots, damaged } = await listSlots(storage, repository);
  for (const { slot, name } of slots) {
    try {
      const root = openSlot(slot, key, name);
      if (root !== undefined) return root;
    } catch (error) {
      if (!isAppError(error, "ERR_KEY_WRONG")) throw error;
    }
  }
  const [firstDamaged] = damaged;
  if (firstDamaged !== undefined) throw firstDamaged;
  if (slots.length === 0) {
    throw new AppError("ERR_DAMAGED", `The repository at ${storage.location} has no key slot left.`, {
      subject: storage.location,
      remedy: "Put the folder slots/ back from a replica of the repository.",
    });
  }
  throw new AppError("ERR_KEY_WRONG", `The key does not open the repository at ${storage.location}.`, {
    subject: storage.location,
    remedy:
      "Check that it is the key of this repository; `holdfast key check` tries it without doing anything else.",
  });
}

export function labelOf(stored: StoredSlot, tableKey: Buffer): string {
  try {
    return openSlotLabel(stored.slot, tableKey, stored.name);
  } catch {
    return "";
  }
}

/** Adds a slot; returns its id. The key is known to work: the root box is made from the root secret itself. */
export async function addSlot(storage: Storage, slot: NewSlot): Promise<string> {
  const bytes = encodeSlot(slot);
  const hash = sha256(bytes);
  await storage.put(hashedName("slot", hash), bytes);
  return hash.toString("hex");
}

/**
 * Removes the slot whose id begins with `prefix`.
 *
 * @throws AppError `ERR_SLOT_NOT_FOUND`, or `ERR_LAST_SLOT`: without a slot nothing can ever be restored.
 */
export async function removeSlot(storage: Storage, repository: Buffer, prefix: string): Promise<string> {
  const { slots } = await listSlots(storage, repository);
  const matching = slots.filter((slot) => slot.id.startsWith(prefix));
  const [found] = matching;
  if (found === undefined || matching.length > 1 || prefix.length < 4) {
    throw new AppError("ERR_SLOT_NOT_FOUND", `No single key slot has an id that begins with "${prefix}".`, {
      subject: prefix,
      remedy: "`holdfast key list` shows the ids; at least 4 characters are needed.",
    });
  }
  if (slots.length === 1) {
    throw new AppError(
      "ERR_LAST_SLOT",
      "The last key slot cannot be removed: nothing could be restored any more.",
      {
        subject: found.id,
        remedy: "Add another key first with `holdfast key add`.",
      },
    );
  }
  await storage.delete(found.name);
  return found.id;
}
