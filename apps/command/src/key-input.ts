/**
 * Where the key of a repository comes from: `--key-file`, HOLDFAST_KEY_FILE, HOLDFAST_KEY, the configuration, else a
 * prompt; never an argument. A text that begins like a recovery kit is taken as one, everything else as a passphrase.
 *
 * Keys are bytes that are wiped after use. Only a recovery kit becomes a string on the way, for its letters are read.
 *
 * @module
 */
import { closeSync, openSync, readSync } from "node:fs";
import { isRecoveryKeyText, parseRecoveryKey, secretBuffer } from "@holdfast/crypto";
import { AppError } from "@holdfast/kernel";
import type { SlotKey } from "@holdfast/repository";
import type { CommandCall } from "./command-call.ts";
import { canPrompt, promptSecret } from "./prompt.ts";

/** More is no passphrase, but a file named by mistake. */
const KEY_BYTES_MAX = 4096;
const KIT_START = Buffer.from("HOLDFAST", "latin1");
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/**
 * The key that was given to the command in some way other than a prompt.
 *
 * @param keyFileDefault from the configuration.
 * @throws AppError `ERR_KEY_FORMAT`, `ERR_KEY_MISSING`.
 */
export function givenKey(call: CommandCall, keyFileDefault: string | undefined): SlotKey | undefined {
  const named = call.options.text("keyFile") ?? nonEmpty(process.env["HOLDFAST_KEY_FILE"]);
  if (named !== undefined) return slotKeyFrom(readKeyFile(named), named);
  const { environmentKey } = call;
  if (environmentKey !== undefined && environmentKey.length > 0) {
    return slotKeyFrom(ownCopy(environmentKey), "HOLDFAST_KEY");
  }
  return keyFileDefault === undefined ? undefined : slotKeyFrom(readKeyFile(keyFileDefault), keyFileDefault);
}

/** Asks for an existing key; undefined when there is nobody to ask. */
export async function promptKey(call: CommandCall, location: string): Promise<SlotKey | undefined> {
  if (!canPrompt()) return undefined;
  const typed = await promptSecret(`Key of the repository at ${location}: `, call.signal);
  return slotKeyFrom(typed, "the prompt");
}

/**
 * A new passphrase, typed twice.
 *
 * @param option that names a file instead.
 * @throws AppError `ERR_KEY_MISSING` when there is nobody to ask, `ERR_KEY_FORMAT` when it is empty or typed differently.
 */
export async function promptNewPassphrase(call: CommandCall, option: string): Promise<SlotKey> {
  if (!canPrompt()) {
    throw new AppError("ERR_KEY_MISSING", "A new key is needed, and there is no terminal to ask for it.", {
      remedy: `Give it with ${option}.`,
    });
  }
  const first = await promptSecret("New passphrase: ", call.signal);
  try {
    if (first.length === 0) throw emptyKey("the prompt");
    const second = await promptSecret("The same again: ", call.signal);
    const isSame = first.equals(second);
    second.fill(0);
    if (isSame) return { kind: "passphrase", passphrase: ownCopy(first) };
    throw new AppError("ERR_KEY_FORMAT", "The two passphrases are not the same.", {
      remedy: "Run the command again.",
    });
  } finally {
    first.fill(0);
  }
}

/**
 * The first bytes of a file up to a limit, without the line break at the end. Pipes such as `<(pass show backup)` do.
 *
 * @throws AppError `ERR_KEY_MISSING` when it cannot be read, `ERR_KEY_FORMAT` when it is too long.
 */
export function readKeyFile(path: string): Buffer {
  const bytes = secretBuffer(KEY_BYTES_MAX + 2);
  let length = 0;
  try {
    const file = openSync(path, "r");
    try {
      let read = 0;
      do {
        read = readSync(file, bytes, length, bytes.length - length, null);
        length += read;
      } while (read > 0 && length < bytes.length);
    } finally {
      closeSync(file);
    }
  } catch (cause) {
    bytes.fill(0);
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new AppError("ERR_KEY_MISSING", `The key file ${path} cannot be read: ${reason}.`, {
      subject: path,
      remedy: "Name a file that holds the key and that this user may read.",
      cause,
    });
  }
  if (length > 0 && bytes[length - 1] === LINE_FEED) length -= 1;
  if (length > 0 && bytes[length - 1] === CARRIAGE_RETURN) length -= 1;
  const key = secretBuffer(Math.min(length, KEY_BYTES_MAX));
  bytes.copy(key, 0, 0, key.length);
  bytes.fill(0);
  if (length <= KEY_BYTES_MAX) return key;
  key.fill(0);
  throw new AppError("ERR_KEY_FORMAT", `The file ${path} is too long for a key.`, {
    subject: path,
    remedy: `A key has at most ${String(KEY_BYTES_MAX)} bytes; check the name of the file.`,
  });
}

/**
 * What the bytes of a key mean. They are taken over: kept in the key, or wiped.
 *
 * @throws AppError `ERR_KEY_FORMAT`.
 */
export function slotKeyFrom(bytes: Buffer, where: string): SlotKey {
  if (bytes.length === 0) throw emptyKey(where);
  if (!startsLikeKit(bytes)) return { kind: "passphrase", passphrase: bytes };
  const text = bytes.toString("utf8");
  if (!isRecoveryKeyText(text)) return { kind: "passphrase", passphrase: bytes };
  bytes.fill(0);
  return { kind: "recovery", seed: parseRecoveryKey(text) };
}

export function wipeKey(key: SlotKey | undefined): void {
  if (key?.kind === "passphrase") key.passphrase.fill(0);
  else key?.seed.fill(0);
}

/** Compared as bytes, so that a passphrase does not become a string to find out that it is one. */
function startsLikeKit(bytes: Buffer): boolean {
  let start = 0;
  while (start < bytes.length && (bytes[start] ?? 0) <= 0x20) start += 1;
  const head = Buffer.alloc(KIT_START.length);
  // Letters in upper case; what else may change is no letter of the word.
  for (let index = 0; index < head.length; index += 1) head[index] = (bytes[start + index] ?? 0) & 0xdf;
  const isAlike = head.equals(KIT_START);
  head.fill(0);
  return isAlike;
}

function emptyKey(where: string): AppError {
  return new AppError("ERR_KEY_FORMAT", `The key from ${where} is empty.`, {
    subject: where,
    remedy: "Give the key that opens the repository.",
  });
}

function ownCopy(bytes: Uint8Array): Buffer {
  const copy = secretBuffer(bytes.length);
  copy.set(bytes);
  return copy;
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === "" ? undefined : text;
}
