/**
 * The keys of the repository that all samples belong to. Whoever mutates a plaintext and seals it again has them: an
 * attacker with the write capability, or a writer with a mistake.
 *
 * @module
 */
import { newSessionKey, SessionKeyring } from "@holdfast/repository/format-parts";
import { deriveKeySet, requireKey } from "@holdfast/repository";
import { sha256 } from "@holdfast/crypto";
import { SeededRandom } from "../seeded-random.ts";

export const random = new SeededRandom("samples");
export const repository = random.bytes(16);
export const rootSecret = random.bytes(32);
export const keys = deriveKeySet(rootSecret, repository, ["write", "maintain", "read"]);
export const privateSeed = requireKey(keys, "privateSeed");
export const idKey = requireKey(keys, "idKey");
export const publicKey = requireKey(keys, "publicKey");
export const session = newSessionKey(repository, publicKey, random.fill);
export const otherSession = newSessionKey(repository, publicKey, random.fill);

export function newKeyring(): SessionKeyring {
  return new SessionKeyring(repository, privateSeed);
}

/** What somebody names an object after having changed it: the hash fits. */
export function nameOf(prefix: string, bytes: Uint8Array): string {
  return `${prefix}/${sha256(bytes).toString("hex")}`;
}

export function ascii(text: string, ...parts: readonly Uint8Array[]): Buffer {
  return Buffer.concat([Buffer.from(text, "latin1"), ...parts]);
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}
