/**
 * From a passphrase to a key: Argon2id (RFC 9106).
 *
 * @module
 */
import assert from "node:assert/strict";
import { isUtf8 } from "node:buffer";
// The default export: importing a missing name would fail while loading, without a word about the cause.
import crypto from "node:crypto";
import { AppError, errorCode } from "@holdfast/kernel";

export interface Argon2Parameters {
  readonly memoryKiB: number;
  readonly passes: number;
  /** Degree of parallelism. */
  readonly lanes: number;
}

/** 64 MiB, 3 passes, 4 lanes: the second recommendation of RFC 9106 section 4. */
export const ARGON2_DEFAULT: Argon2Parameters = { memoryKiB: 65_536, passes: 3, lanes: 4 };

const MEMORY_KIB_MIN = 8 * 1024;
const MEMORY_KIB_MAX = 4 * 1024 * 1024;
const PASSES_MAX = 64;
const LANES_MAX = 64;
const SALT_BYTES = 16;
const KEY_BYTES = 32;

/**
 * Returns the parameters when they lie within the bounds: 8 MiB to 4 GiB, 1 to 64 passes, 1 to 64 lanes. Less would
 * be too weak to accept from a storage, more could stall the reader.
 *
 * @throws AppError `ERR_DAMAGED`.
 */
export function checkArgon2Parameters(parameters: Argon2Parameters): Argon2Parameters {
  const { memoryKiB, passes, lanes } = parameters;
  const allowed =
    within(memoryKiB, MEMORY_KIB_MIN, MEMORY_KIB_MAX) &&
    within(passes, 1, PASSES_MAX) &&
    within(lanes, 1, LANES_MAX);
  if (allowed) return parameters;
  const given = `${String(memoryKiB)} KiB, ${String(passes)} passes, ${String(lanes)} lanes`;
  throw new AppError("ERR_DAMAGED", `The Argon2id parameters are out of bounds: ${given}.`, {
    remedy: "Use another key slot; run `holdfast verify` to learn what is touched.",
  });
}

function within(value: number, min: number, max: number): boolean {
  return Number.isInteger(value) && value >= min && value <= max;
}

/**
 * The key of a passphrase, 32 bytes. Text is brought to Unicode form NFC first, so that one passphrase typed on two
 * systems gives one key; bytes that are not UTF-8 are taken as they are.
 *
 * @param salt 16 random bytes.
 * @throws AppError `ERR_DAMAGED` for parameters out of bounds, `ERR_UNSUPPORTED` when the runtime has no Argon2,
 * `ERR_FAILED` when it cannot have the memory.
 */
export function stretchPassphrase(
  passphrase: Uint8Array,
  salt: Uint8Array,
  parameters: Argon2Parameters,
): Buffer {
  const options = optionsOf(passphrase, salt, parameters);
  try {
    return crypto.argon2Sync("argon2id", options);
  } catch (error) {
    throw explain(error, parameters);
  } finally {
    options.message.fill(0);
  }
}

/** {@link stretchPassphrase} on another thread, for who must not stand still meanwhile. */
export async function stretchBeside(
  passphrase: Uint8Array,
  salt: Uint8Array,
  parameters: Argon2Parameters,
): Promise<Buffer> {
  const options = optionsOf(passphrase, salt, parameters);
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  try {
    crypto.argon2("argon2id", options, (error, key) => {
      if (error === null) resolve(key);
      else reject(error);
    });
    return await promise;
  } catch (error) {
    throw explain(error, parameters);
  } finally {
    options.message.fill(0);
  }
}

function optionsOf(passphrase: Uint8Array, salt: Uint8Array, parameters: Argon2Parameters) {
  assert(salt.length === SALT_BYTES);
  const { memoryKiB, passes, lanes } = checkArgon2Parameters(parameters);
  if (typeof crypto.argon2Sync !== "function") throw unsupported();
  const cost = { memory: memoryKiB, passes, parallelism: lanes, tagLength: KEY_BYTES };
  return { message: normalise(passphrase), nonce: salt, ...cost };
}

function explain(error: unknown, { memoryKiB }: Argon2Parameters): AppError {
  if (errorCode(error) === "ERR_CRYPTO_ARGON2_NOT_SUPPORTED") {
    return unsupported(error);
  }
  return new AppError("ERR_FAILED", "The key of the passphrase could not be computed.", {
    remedy: `Argon2id needs ${String(Math.ceil(memoryKiB / 1024))} MiB of free memory here.`,
    cause: error,
  });
}

function normalise(passphrase: Uint8Array): Buffer {
  const bytes = Buffer.from(passphrase);
  // ASCII is in form NFC as it stands: then the passphrase never becomes a string, which nobody could wipe.
  if (bytes.every((byte) => byte < 0x80) || !isUtf8(bytes)) return bytes;
  const normal = Buffer.from(bytes.toString("utf8").normalize("NFC"), "utf8");
  bytes.fill(0);
  return normal;
}

function unsupported(cause?: unknown): AppError {
  return new AppError("ERR_UNSUPPORTED", "This Node.js has no Argon2, which passphrases need.", {
    remedy: "Use Node.js 24.7 or newer with its own OpenSSL, or a recovery key.",
    cause,
  });
}
