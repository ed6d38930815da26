/** `holdfast key check`: tries a key and says which slot it opens. */
import { AppError, isAppError } from "@holdfast/kernel";
import {
  deriveKeySet,
  labelOf,
  listSlots,
  openSlot,
  readConfig,
  rootSecretOf,
  type SlotKey,
  type StoredSlot,
  wipeKeySet,
} from "@holdfast/repository";
import { type CommandCall, EXIT, type Exit, operand } from "../command-call.ts";
import { wipeKey } from "../key-input.ts";
import { printable } from "../output/printable.ts";
import { accessStorage, keyFor } from "../repository-access.ts";
import { SLOT_KIND_TEXTS } from "./key-list.ts";

export async function run(call: CommandCall): Promise<Exit> {
  const { output } = call;
  await using access = await accessStorage(call, operand(call, 0));
  const { storage } = access;
  const { config } = await readConfig(storage);
  if (config.suite.method === null) throw notEncrypted(storage.location);
  const key = await keyFor(call, access, config);
  try {
    // Says what is wrong, for a key that opens nothing or is missing.
    const root = await rootSecretOf(storage, config, key);
    const keys = deriveKeySet(root, config.repository, ["maintain"]);
    root.fill(0);
    const { slots } = await listSlots(storage, config.repository);
    const stored = key === undefined ? undefined : slots.find((one) => opens(one, key));
    const label = stored === undefined ? "" : labelOf(stored, keys.tableKey);
    wipeKeySet(keys);
    const kind = stored?.slot.kind ?? "passphrase";
    const id = stored?.id ?? "";
    const called = label === "" ? "" : `, "${printable(label)}"`;
    output.text(`The key opens ${storage.location}: ${SLOT_KIND_TEXTS[kind]} ${id.slice(0, 12)}${called}.`);
    output.summary({ id, kind, label });
    return EXIT.done;
  } finally {
    wipeKey(key);
  }
}

function opens({ slot, name }: StoredSlot, key: SlotKey): boolean {
  try {
    const root = openSlot(slot, key, name);
    root?.fill(0);
    return root !== undefined;
  } catch (error) {
    if (isAppError(error, "ERR_KEY_WRONG")) return false;
    throw error;
  }
}

function notEncrypted(location: string): AppError {
  return new AppError(
    "ERR_NOT_ENCRYPTED",
    `The repository at ${location} is not encrypted: it has no keys.`,
    {
      subject: location,
      remedy: "Use it without a key.",
    },
  );
}
