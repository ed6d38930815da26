/**
 * Hashes of the passwords that people sign in with: Argon2id (RFC 9106) as PHC strings
 * (github.com/P-H-C/phc-string-format). Computed beside the event loop.
 *
 * @module
 */
import { timingSafeEqual } from "node:crypto";
import { AppError, type Randomness, systemRandomness } from "@holdfast/kernel";
import { ARGON2_DEFAULT, type Argon2Parameters, checkArgon2Parameters, stretchBeside } from "./passphrase.ts";

const SALT_BYTES = 16;
const PHC =
  /^\$argon2id\$v=19\$m=(\d{1,8}),t=(\d{1,3}),p=(\d{1,3})\$([A-Za-z0-9+/]{22})\$([A-Za-z0-9+/]{43})$/u;

/** @throws AppError as `stretchPassphrase` does. */
export async function hashPassword(
  password: string,
  parameters: Argon2Parameters = ARGON2_DEFAULT,
  randomness: Randomness = systemRandomness,
): Promise<string> {
  const salt = randomness(Buffer.alloc(SALT_BYTES));
  const hash = await stretch(password, salt, parameters);
  const { memoryKiB, passes, lanes } = parameters;
  const cost = `m=${String(memoryKiB)},t=${String(passes)},p=${String(lanes)}`;
  return `$argon2id$v=19$${cost}$${unpadded(salt)}$${unpadded(hash)}`;
}

/**
 * Whether this is the password of the hash.
 *
 * @throws AppError `ERR_DAMAGED` when `phc` is no such hash, and as `stretchPassphrase` does.
 */
export async function verifyPassword(password: string, phc: string): Promise<boolean> {
  const { parameters, salt, hash } = parse(phc);
  return timingSafeEqual(await stretch(password, salt, parameters), hash);
}

/** Whether the hash was made with other parameters: then it is made again when the password is known. */
export function isHashOutdated(phc: string, wanted: Argon2Parameters = ARGON2_DEFAULT): boolean {
  const { memoryKiB, passes, lanes } = parse(phc).parameters;
  return memoryKiB !== wanted.memoryKiB || passes !== wanted.passes || lanes !== wanted.lanes;
}

interface ParsedHash {
  readonly parameters: Argon2Parameters;
  readonly salt: Buffer;
  readonly hash: Buffer;
}

function parse(phc: string): ParsedHash {
  const [, memory, passes, lanes, salt, hash] = PHC.exec(phc) ?? [];
  if (salt === undefined || hash === undefined) {
    throw new AppError("ERR_DAMAGED", "The hash of a password is not one.", {
      remedy: "Set the password anew.",
    });
  }
  const parameters = { memoryKiB: Number(memory), passes: Number(passes), lanes: Number(lanes) };
  return {
    parameters: checkArgon2Parameters(parameters),
    salt: Buffer.from(salt, "base64"),
    hash: Buffer.from(hash, "base64"),
  };
}

async function stretch(password: string, salt: Uint8Array, parameters: Argon2Parameters): Promise<Buffer> {
  const bytes = Buffer.from(password, "utf8");
  try {
    return await stretchBeside(bytes, salt, parameters);
  } finally {
    bytes.fill(0);
  }
}

function unpadded(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64").replaceAll("=", "");
}
