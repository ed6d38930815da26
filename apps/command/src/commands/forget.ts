/** `holdfast forget`: removes copies, named or by rules. It takes no key that could read them. */
import { AppError, isAppError } from "@holdfast/kernel";
import {
  applyRetention,
  forgetCopies,
  isEmptyPolicy,
  type ListedCopy,
  listCopies,
  type RetentionPolicy,
  resolveCopy,
} from "@holdfast/repository";
import { type CommandCall, EXIT, type Exit } from "../command-call.ts";
import { filterCopies, readCopies } from "../copy-listing.ts";
import { formatCount, formatNumber, formatTime } from "../output/quantity.ts";
import { formatTable } from "../output/table.ts";
import { accessRepository, type RepositoryAccess } from "../repository-access.ts";

/** What is to become of a copy, and why. */
interface Decision {
  readonly id: string;
  readonly timeMs: number | undefined;
  readonly action: "keep" | "forget";
  readonly reasons: readonly string[];
}

const ID_CHARACTERS_SHOWN = 12;

export async function run(call: CommandCall): Promise<Exit> {
  const { output, options } = call;
  const policy = policyOf(call);
  const wanted = call.operands.slice(1);
  const dryRun = options.flag("dryRun");
  checkUse(call, policy, wanted);
  await using access = await accessRepository(call, isFiltered(call) ? ["maintain", "read"] : ["maintain"]);
  const decisions =
    wanted.length > 0 ? await decideNamed(access, wanted) : await decideByRules(call, access, policy);
  const forgotten = decisions.filter(({ action }) => action === "forget").map(({ id }) => id);
  for (const decision of decisions) output.event("decision", fieldsOf(decision));
  const table =
    decisions.length === 0 ? ["There are no copies."] : formatTable(COLUMNS, decisions.map(rowOf));
  for (const line of table) output.text(line);
  if (!dryRun) await forgetCopies(access.repository, forgotten);
  const kept = decisions.length - forgotten.length;
  if (decisions.length > 0) {
    for (const line of summaryLines(forgotten.length, kept, dryRun)) output.text(line);
  }
  output.summary({ forgotten, kept, dryRun });
  return EXIT.done;
}

function policyOf({ options }: CommandCall): RetentionPolicy {
  const rules = {
    last: options.number("keepLast"),
    hourly: options.number("keepHourly"),
    daily: options.number("keepDaily"),
    weekly: options.number("keepWeekly"),
    monthly: options.number("keepMonthly"),
    yearly: options.number("keepYearly"),
  };
  return Object.fromEntries(Object.entries(rules).filter(([, count]) => count !== undefined));
}

function isFiltered({ options }: CommandCall): boolean {
  return options.text("host") !== undefined || options.texts("tag").length > 0;
}

function checkUse(call: CommandCall, policy: RetentionPolicy, wanted: readonly string[]): void {
  const isByRules = !isEmptyPolicy(policy);
  if (!isByRules && wanted.length === 0) {
    throw new AppError("ERR_USAGE", "Nothing says which copies to forget.", {
      remedy: "Name copies, or give rules such as --keep-daily 7 --keep-weekly 4.",
    });
  }
  if (wanted.length > 0 && (isByRules || isFiltered(call))) {
    throw new AppError("ERR_USAGE", "Copies are forgotten either by name or by rules.", {
      remedy: "Run the command twice.",
    });
  }
}

async function decideNamed(
  access: RepositoryAccess,
  wanted: readonly string[],
): Promise<readonly Decision[]> {
  const list = await listCopies(access.storage, access.repository.keys);
  const decisions = new Map<string, Decision>();
  for (const name of wanted) {
    const copy = resolveOrDamaged(() => resolveCopy(list, name), name);
    const [id, timeMs] = typeof copy === "string" ? [copy, undefined] : [copy.id, copy.table.timeMs];
    decisions.set(id, { id, timeMs, action: "forget", reasons: ["named"] });
  }
  return [...decisions.values()];
}

/** A copy that cannot be read any more can still be forgotten, by its whole id. */
function resolveOrDamaged(resolve: () => ListedCopy, name: string): ListedCopy | string {
  try {
    return resolve();
  } catch (error) {
    if (isAppError(error, "ERR_DAMAGED") && /^[0-9a-f]{64}$/u.test(name)) return name;
    throw error;
  }
}

async function decideByRules(
  call: CommandCall,
  access: RepositoryAccess,
  policy: RetentionPolicy,
): Promise<readonly Decision[]> {
  const { options, output } = call;
  const { repository, storage } = access;
  const filter = { host: options.text("host"), tags: options.texts("tag") };
  const filtered = isFiltered(call) ? await readCopies(repository) : undefined;
  const list = filtered ?? (await listCopies(storage, repository.keys));
  const chosen = filtered === undefined ? list.copies : filterCopies(filtered.copies, filter);
  for (const { code, message, remedy } of list.damaged) output.warning({ code, message, remedy });
  const copies = chosen.map(({ id, table }) => ({
    id,
    timeMs: table.timeMs,
    group: table.group.toString("hex"),
  }));
  const { keep, forget } = applyRetention(copies, policy);
  const decisions: Decision[] = [
    ...keep.map(({ copy, reasons }) => ({
      id: copy.id,
      timeMs: copy.timeMs,
      action: "keep" as const,
      reasons,
    })),
    ...forget.map(({ id, timeMs }) => ({
      id,
      timeMs,
      action: "forget" as const,
      reasons: ["no rule keeps it"],
    })),
  ];
  return decisions.toSorted((a, b) => (b.timeMs ?? 0) - (a.timeMs ?? 0));
}

const COLUMNS = [{ title: "" }, { title: "id" }, { title: "time" }, { title: "why" }];

function rowOf({ id, timeMs, action, reasons }: Decision): readonly string[] {
  const time = timeMs === undefined ? "damaged" : formatTime(timeMs);
  return [action, id.slice(0, ID_CHARACTERS_SHOWN), time, reasons.join(", ")];
}

function fieldsOf({ id, timeMs, action, reasons }: Decision): Readonly<Record<string, unknown>> {
  const time = timeMs === undefined ? null : new Date(timeMs).toISOString();
  return { id, time, action, reasons };
}

function summaryLines(forgotten: number, kept: number, dryRun: boolean): readonly string[] {
  const copies = formatCount(forgotten, "copy", "copies");
  if (dryRun) return [`Would forget ${copies} and keep ${formatNumber(kept)}. Nothing was changed.`];
  const line = `Forgot ${copies}, kept ${formatNumber(kept)}.`;
  return forgotten === 0 ? [line] : [line, "The space is given back by `holdfast clean`."];
}
