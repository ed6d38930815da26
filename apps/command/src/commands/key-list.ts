/** `holdfast key list`: the slots of a repository. */
import { labelOf, listSlots, type StoredSlot } from "@holdfast/repository";
import { type CommandCall, EXIT, type Exit } from "../command-call.ts";
import { printable } from "../output/printable.ts";
import { formatTime } from "../output/quantity.ts";
import { formatTable } from "../output/table.ts";
import { accessRepository } from "../repository-access.ts";

const ID_CHARACTERS_SHOWN = 12;
export const SLOT_KIND_TEXTS = { passphrase: "passphrase", recovery: "recovery kit" } as const;

export async function run(call: CommandCall): Promise<Exit> {
  const { output } = call;
  // The table key, which every capability has, opens the labels.
  await using access = await accessRepository(call, ["maintain"]);
  const { keys } = access.repository;
  const { slots, damaged } = await listSlots(access.storage, keys.repository);
  const elements = slots.map((stored) => slotFields(stored, labelOf(stored, keys.tableKey)));
  for (const element of elements) output.event("slot", element);
  const rows = elements.map(({ id, kind, created, label }) => [
    id.slice(0, ID_CHARACTERS_SHOWN),
    SLOT_KIND_TEXTS[kind],
    formatTime(Date.parse(created)),
    printable(label),
  ]);
  const columns = [{ title: "id" }, { title: "kind" }, { title: "made" }, { title: "label" }];
  if (rows.length === 0) output.text("There are no keys: the repository is not encrypted.");
  else for (const line of formatTable(columns, rows)) output.text(line);
  for (const { code, message, remedy } of damaged) output.warning({ code, message, remedy });
  output.summary({ slots: elements, damaged: damaged.length });
  return damaged.length > 0 ? EXIT.damaged : EXIT.done;
}

interface SlotFields {
  readonly id: string;
  readonly kind: "passphrase" | "recovery";
  readonly created: string;
  readonly label: string;
}

function slotFields({ id, slot }: StoredSlot, label: string): SlotFields & Readonly<Record<string, unknown>> {
  return { id, kind: slot.kind, created: new Date(slot.createdMs).toISOString(), label };
}
