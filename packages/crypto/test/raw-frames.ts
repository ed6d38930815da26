// Frame keys and frames made of given parts, to run published vectors through the frame functions.
import { createSecretKey } from "node:crypto";
import { type FrameKeys, hmacSha256, SUITES, type Suite } from "../src/index.ts";

function suiteWith(method: "gcm" | "cbc", keyBytes: number): Suite & { keyBits: 128 | 192 | 256 } {
  for (const suite of SUITES) {
    const { keyBits } = suite;
    if (suite.method === method && keyBits === keyBytes * 8 && keyBits !== 0) return { ...suite, keyBits };
  }
  throw new Error(`no suite with a key of ${String(keyBytes)} bytes`);
}

const MAC_KEY = Buffer.alloc(32, 0x4d);

export function gcmKeys(key: Uint8Array): FrameKeys {
  const suite = suiteWith("gcm", key.length);
  const cipher = { method: "gcm", name: `aes-${suite.keyBits}-gcm`, key: createSecretKey(key) } as const;
  return { suite, cipher, macKey: createSecretKey(MAC_KEY) };
}

export function cbcKeys(key: Uint8Array): FrameKeys {
  const suite = suiteWith("cbc", key.length);
  const cipher = { method: "cbc", name: `aes-${suite.keyBits}-cbc`, key: createSecretKey(key) } as const;
  return { suite, cipher, macKey: createSecretKey(MAC_KEY) };
}

/** The counter and frame whose nonce is this IV of 12 bytes. */
export function gcmPosition(iv: Buffer): { readonly counter: bigint; readonly frame: number } {
  return { counter: iv.readBigUInt64LE(0), frame: iv.readUInt32LE(8) };
}

/** A frame with counter 0, number 0, no associated data and a good tag over whatever ciphertext. */
export function cbcSealed(keys: FrameKeys, iv: Uint8Array, ciphertext: Uint8Array): Buffer {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(ciphertext.length));
  const tag = hmacSha256(keys.macKey, Buffer.alloc(16), iv, ciphertext, length);
  return Buffer.concat([iv, ciphertext, tag]);
}
