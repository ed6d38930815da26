/** `holdfast key add`: one more way to open a repository: a passphrase, or a recovery kit. */
import { closeSync, fsyncSync, openSync, unlinkSync, writeSync } from "node:fs";
import { ARGON2_DEFAULT, formatRecoveryKey, secretBuffer } from "@holdfast/crypto";
import { AppError, systemClock, systemRandomness } from "@holdfast/kernel";
import {
  addSlot,
  deriveKeySet,
  readConfig,
  recoveryPublicKey,
  rootSecretOf,
  type SlotTarget,
  wipeKeySet,
} from "@holdfast/repository";
import type { Storage } from "@holdfast/storage";
import { type CommandCall, EXIT, type Exit, operand } from "../command-call.ts";
import { promptNewPassphrase, readKeyFile, slotKeyFrom, wipeKey } from "../key-input.ts";
import { accessStorage, keyFor } from "../repository-access.ts";

const SEED_BYTES = 32;

export async function run(call: CommandCall): Promise<Exit> {
  const { output, options } = call;
  const kitFile = options.text("recoveryKit");
  if (kitFile !== undefined && options.text("newKeyFile") !== undefined) throw twoKeys();
  await using access = await accessStorage(call, operand(call, 0));
  const { storage } = access;
  const { config } = await readConfig(storage);
  if (config.suite.method === null) throw notEncrypted(storage.location);
  const key = await keyFor(call, access, config);
  let rootSecret: Buffer | undefined;
  try {
    rootSecret = await rootSecretOf(storage, config, key);
    const owner = { storage, repository: config.repository, rootSecret };
    const label = options.text("label");
    const id =
      kitFile === undefined
        ? await addPassphrase(call, owner, label ?? "passphrase")
        : await addRecoveryKit(owner, label ?? "recovery kit", kitFile);
    const kind = kitFile === undefined ? "passphrase" : "recovery";
    for (const line of said(id, kitFile)) output.text(line);
    output.summary({ id, kind, ...(kitFile === undefined ? {} : { file: kitFile }) });
    return EXIT.done;
  } finally {
    rootSecret?.fill(0);
    wipeKey(key);
  }
}

interface SlotOwner {
  readonly storage: Storage;
  readonly repository: Buffer;
  readonly rootSecret: Buffer;
}

async function addPassphrase(call: CommandCall, owner: SlotOwner, label: string): Promise<string> {
  const file = call.options.text("newKeyFile");
  const added =
    file === undefined
      ? await promptNewPassphrase(call, "--new-key-file FILE")
      : slotKeyFrom(readKeyFile(file), file);
  try {
    return await add(
      owner,
      label,
      added.kind === "recovery"
        ? { kind: "recovery", publicKey: recoveryPublicKey(added.seed) }
        : { kind: "passphrase", passphrase: added.passphrase, parameters: ARGON2_DEFAULT },
    );
  } finally {
    wipeKey(added);
  }
}

/** The kit is on disk before its slot is in the repository: a slot that nobody can open is of no use. */
async function addRecoveryKit(owner: SlotOwner, label: string, file: string): Promise<string> {
  const seed = systemRandomness(secretBuffer(SEED_BYTES));
  try {
    const publicKey = recoveryPublicKey(seed);
    writeKit(file, Buffer.from(formatRecoveryKey(seed), "latin1"));
    try {
      return await add(owner, label, { kind: "recovery", publicKey });
    } catch (error) {
      unlinkSync(file);
      throw error;
    }
  } finally {
    seed.fill(0);
  }
}

async function add(
  { storage, repository, rootSecret }: SlotOwner,
  label: string,
  target: SlotTarget,
): Promise<string> {
  const keys = deriveKeySet(rootSecret, repository, ["maintain"]);
  try {
    const { tableKey } = keys;
    const createdMs = systemClock.now();
    return await addSlot(storage, { repository, rootSecret, tableKey, label, createdMs, target });
  } finally {
    wipeKeySet(keys);
  }
}

/** @throws AppError `ERR_TARGET` when there is such a file already, or it cannot be written. */
function writeKit(path: string, text: Buffer): void {
  let file: number;
  try {
    file = openSync(path, "wx", 0o600);
  } catch (cause) {
    text.fill(0);
    throw kitNotWritten(path, cause);
  }
  try {
    writeSync(file, text);
    fsyncSync(file);
  } catch (cause) {
    unlinkSync(path);
    throw kitNotWritten(path, cause);
  } finally {
    text.fill(0);
    closeSync(file);
  }
}

function kitNotWritten(path: string, cause: unknown): AppError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new AppError("ERR_TARGET", `The recovery kit cannot be written to ${path}: ${reason}.`, {
    subject: path,
    remedy: "Name a file that is not there yet, in a folder that this user may write to.",
    cause,
  });
}

function said(id: string, kitFile: string | undefined): readonly string[] {
  const added = `Added the key ${id.slice(0, 12)}.`;
  if (kitFile === undefined) return [added];
  return [
    added,
    `Its recovery kit is in ${kitFile} and nowhere else. Print it, keep the paper safe, and delete the file.`,
    "Whoever has it can read the repository: --key-file takes a file with its text.",
  ];
}

function twoKeys(): AppError {
  return new AppError("ERR_USAGE", "--new-key-file and --recovery-kit make two different keys.", {
    remedy: "Add them one after the other.",
  });
}

function notEncrypted(location: string): AppError {
  return new AppError(
    "ERR_NOT_ENCRYPTED",
    `The repository at ${location} is not encrypted: it can have no keys.`,
    {
      subject: location,
      remedy: "Make an encrypted repository with `holdfast init`, and back up to that.",
    },
  );
}
