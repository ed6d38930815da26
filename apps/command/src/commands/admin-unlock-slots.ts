/** `holdfast admin unlock-slots`: the ways to open the service's vault. */
import { AppError } from "@holdfast/kernel";
import { addUnlockPassphrase, listUnlockSlots, removeUnlockSlot } from "@holdfast/service";
import { type CommandCall, EXIT, type Exit } from "../command-call.ts";
import { promptNewPassphrase, readKeyFile, slotKeyFrom, wipeKey } from "../key-input.ts";
import { printable } from "../output/printable.ts";
import { formatTime } from "../output/quantity.ts";
import { formatTable } from "../output/table.ts";
import { servicePlaces } from "../service-places.ts";

type Unlock = Parameters<typeof removeUnlockSlot>[1];

const KIND_TEXTS = { file: "unlock file", passphrase: "passphrase", recovery: "recovery kit" } as const;

export async function run(call: CommandCall): Promise<Exit> {
  const { options } = call;
  const removed = options.text("remove");
  const isAdded = options.flag("addPassphrase");
  if (removed !== undefined && isAdded) {
    throw new AppError("ERR_USAGE", "--add-passphrase and --remove are two steps.", {
      remedy: "Add the new way first, then remove the old one.",
    });
  }
  if (isAdded) return add(call);
  return removed === undefined ? list(call) : remove(call, removed);
}

async function list(call: CommandCall): Promise<Exit> {
  const { output } = call;
  const slots = await listUnlockSlots(servicePlaces(call.options).database);
  const rows = slots.map(({ id, kind, createdAt, label, pending }) => [
    id,
    KIND_TEXTS[kind],
    formatTime(createdAt),
    `${printable(label)}${pending ? " (not confirmed)" : ""}`,
  ]);
  const columns = [{ title: "id" }, { title: "kind" }, { title: "made" }, { title: "label" }];
  for (const line of formatTable(columns, rows)) output.text(line);
  output.summary({ slots });
  return EXIT.done;
}

async function add(call: CommandCall): Promise<Exit> {
  const { output, options } = call;
  const file = options.text("newKeyFile");
  const given =
    file === undefined
      ? await promptNewPassphrase(call, "--new-key-file FILE")
      : slotKeyFrom(readKeyFile(file), file);
  if (given.kind !== "passphrase") {
    wipeKey(given);
    throw new AppError("ERR_USAGE", `${file ?? "What was typed"} is a recovery kit, not a new passphrase.`, {
      remedy: "The service makes recovery kits: POST /api/v1/vault/recovery-kit.",
    });
  }
  const passphrase = Buffer.from(given.passphrase).toString("utf8");
  wipeKey(given);
  const { slot, warnings } = await unlocked(call, (unlock) =>
    addUnlockPassphrase(servicePlaces(options).database, unlock, {
      label: options.text("label") ?? "passphrase",
      passphrase,
    }),
  );
  for (const warning of warnings) output.warning(warning);
  output.text(`The vault opens with this passphrase too: ${slot.id}.`);
  output.summary({ slot });
  return EXIT.done;
}

async function remove(call: CommandCall, id: string): Promise<Exit> {
  const { database } = servicePlaces(call.options);
  await unlocked(call, (unlock) => removeUnlockSlot(database, unlock, id));
  call.output.text(
    `Removed the slot ${id}. Who kept it with an older copy of the database can open that one still.`,
  );
  call.output.summary({ removed: id });
  return EXIT.done;
}

/** With the key of `--key-file`, or the unlock file. */
async function unlocked<Result>(
  { options }: CommandCall,
  work: (unlock: Unlock) => Promise<Result>,
): Promise<Result> {
  const file = options.text("keyFile");
  const { unlockFile, data } = servicePlaces(options);
  if (file === undefined) return work({ kind: "file", path: unlockFile, dataFolder: data });
  const key = slotKeyFrom(readKeyFile(file), file);
  try {
    return await work(key);
  } finally {
    wipeKey(key);
  }
}
