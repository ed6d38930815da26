/**
 * Slots: the ways to the root secret (docs/format.md, section 3.3).
 *
 * @module
 */
import {
  type Argon2Parameters,
  checkArgon2Parameters,
  keyPairFromSeed,
  openBox,
  openSecretBox,
  openWithPrivateKey,
  sealBox,
  sealToPublicKey,
  sha256,
  stretchBeside,
  stretchPassphrase,
} from "@holdfast/crypto";
import { ByteReader, ByteWriter, type Randomness, systemRandomness } from "@holdfast/kernel";
import { HASH_BYTES, readHead, writeHead } from "../format/head.ts";
import { ROOT_SECRET_BYTES } from "./key-set.ts";

/** How a slot is opened: with a passphrase, or with the private half of a recovery kit. */
export type SlotKey =
  | { readonly kind: "passphrase"; readonly passphrase: Uint8Array }
  | { readonly kind: "recovery"; readonly seed: Uint8Array };

interface SlotBase {
  readonly createdMs: number;
  /** Everything before the boxes; authenticated with them. */
  readonly front: Buffer;
  readonly rootBox: Buffer;
  readonly labelBox: Buffer;
}

export type Slot = SlotBase &
  (
    | { readonly kind: "passphrase"; readonly salt: Buffer; readonly parameters: Argon2Parameters }
    | { readonly kind: "recovery"; readonly publicKeyHash: Buffer }
  );

/** What a new slot is made for. */
export type SlotTarget =
  | { readonly kind: "passphrase"; readonly passphrase: Uint8Array; readonly parameters: Argon2Parameters }
  | { readonly kind: "recovery"; readonly publicKey: Uint8Array };

export interface NewSlot {
  readonly repository: Buffer;
  readonly rootSecret: Uint8Array;
  readonly tableKey: Buffer;
  readonly label: string;
  readonly createdMs: number;
  readonly target: SlotTarget;
  readonly randomness?: Randomness;
}

const KINDS = { passphrase: 1, recovery: 2 } as const;
const SALT_BYTES = 16;
const LABEL_BYTES_MAX = 200;

export function encodeSlot(slot: NewSlot): Buffer {
  const front = writeFront(slot);
  const { target } = slot;
  if (target.kind === "recovery") {
    return finishSlot(slot, front, sealToPublicKey(target.publicKey, front, slot.rootSecret));
  }
  const key = stretchPassphrase(target.passphrase, saltOf(front), target.parameters);
  return finishSlot(slot, front, sealRoot(slot, front, key));
}

/** {@link encodeSlot}, stretching a passphrase on another thread. */
export async function encodeSlotBeside(slot: NewSlot): Promise<Buffer> {
  const { target } = slot;
  if (target.kind === "recovery") return encodeSlot(slot);
  const front = writeFront(slot);
  const key = await stretchBeside(target.passphrase, saltOf(front), target.parameters);
  return finishSlot(slot, front, sealRoot(slot, front, key));
}

function finishSlot(slot: NewSlot, front: Buffer, rootBox: Buffer): Buffer {
  const label = Buffer.from(slot.label, "utf8").subarray(0, LABEL_BYTES_MAX);
  const labelBox = sealBox(slot.tableKey, labelContext(front), label);
  return new ByteWriter(4096)
    .raw(front)
    .u16(rootBox.length)
    .raw(rootBox)
    .u16(labelBox.length)
    .raw(labelBox)
    .finish();
}

function writeFront(slot: NewSlot): Buffer {
  const { target, randomness = systemRandomness } = slot;
  const writer = writeHead(new ByteWriter(), "slot", slot.repository)
    .u8(KINDS[target.kind])
    .u8(0)
    .u16(0)
    .u64(BigInt(slot.createdMs));
  if (target.kind === "recovery") return writer.raw(sha256(target.publicKey)).finish();
  const { memoryKiB, passes, lanes } = target.parameters;
  return writer
    .raw(randomness(Buffer.alloc(SALT_BYTES)))
    .u32(memoryKiB)
    .u32(passes)
    .u32(lanes)
    .finish();
}

/** Overwrites the key. */
function sealRoot(slot: NewSlot, front: Buffer, key: Buffer): Buffer {
  try {
    return sealBox(key, front, slot.rootSecret);
  } finally {
    key.fill(0);
  }
}

/** Of a front that is a passphrase's: before three numbers. */
function saltOf(front: Buffer): Buffer {
  return front.subarray(front.length - SALT_BYTES - 12, front.length - 12);
}

/** @throws AppError `ERR_DAMAGED`. */
export function decodeSlot(bytes: Buffer, name: string, repository: Buffer): Slot {
  const reader = new ByteReader(bytes, `The key slot ${name}`);
  readHead(reader, "slot", repository);
  const kind = reader.u8();
  if (reader.u8() !== 0 || reader.u16() !== 0) reader.fail("a reserved field is set");
  const createdMs = Number(reader.u64());
  if (kind !== KINDS.passphrase && kind !== KINDS.recovery) return reader.fail("its kind is not known");
  const way =
    kind === KINDS.recovery
      ? { kind: "recovery" as const, publicKeyHash: reader.raw(HASH_BYTES) }
      : {
          kind: "passphrase" as const,
          salt: reader.raw(SALT_BYTES),
          parameters: checkArgon2Parameters({
            memoryKiB: reader.u32(),
            passes: reader.u32(),
            lanes: reader.u32(),
          }),
        };
  const front = bytes.subarray(0, reader.offset);
  const rootBox = reader.raw(reader.u16());
  const labelBox = reader.raw(reader.u16());
  reader.end();
  return { createdMs, front, rootBox, labelBox, ...way };
}

/**
 * The root secret. The caller has checked the slot's bytes against its name, so a box that does not open means the key.
 *
 * @throws AppError `ERR_KEY_WRONG` when this key does not open this slot.
 */
export function openSlot(slot: Slot, key: SlotKey, name: string): Buffer | undefined {
  if (slot.kind === "passphrase" && key.kind === "passphrase") {
    const stretched = stretchPassphrase(key.passphrase, slot.salt, slot.parameters);
    try {
      return checkRoot(openSecretBox(stretched, slot.front, slot.rootBox, `The key slot ${name}`));
    } finally {
      stretched.fill(0);
    }
  }
  if (slot.kind === "recovery" && key.kind === "recovery") {
    if (!sha256(keyPairFromSeed(key.seed).publicKey).equals(slot.publicKeyHash)) return undefined;
    return checkRoot(openWithPrivateKey(key.seed, slot.front, slot.rootBox, `The key slot ${name}`));
  }
  return undefined;
}

function checkRoot(root: Buffer): Buffer | undefined {
  return root.length === ROOT_SECRET_BYTES ? root : undefined;
}

/** The name a person gave the slot. */
export function openSlotLabel(slot: Slot, tableKey: Buffer, name: string): string {
  return openBox(tableKey, labelContext(slot.front), slot.labelBox, `The key slot ${name}`).toString("utf8");
}

function labelContext(front: Buffer): Buffer {
  return Buffer.concat([Buffer.from("holdfast/1/label", "latin1"), front]);
}
