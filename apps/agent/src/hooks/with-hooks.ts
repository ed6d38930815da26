/**
 * A backup between the commands that prepare it and clear up after it, such as a dump of a database.
 *
 * @module
 */
import type { TaskOf } from "@holdfast/protocol";
import { toErrorRecord } from "@holdfast/kernel";
import type { TaskContext } from "../tasks/task-context.ts";
import { checkHookAllowed } from "./allowed-hooks.ts";
import { runHook } from "./run-hook.ts";

type Hook = NonNullable<TaskOf<"backup">["before"]>;

/**
 * Both commands are checked before the first one runs. When the first one fails nothing is backed up; the second one runs
 * however the backup ended, also when it was cancelled, and its failure is a warning.
 */
export async function withHooks<T>(
  { before, after, plan }: Pick<TaskOf<"backup">, "before" | "after" | "plan">,
  context: TaskContext,
  work: () => Promise<T>,
): Promise<T> {
  const { stateDir, hasModes } = context;
  for (const hook of [before, after]) {
    if (hook !== undefined) await checkHookAllowed(stateDir, hasModes, hook.command);
  }
  const variables = { HOLDFAST_PLAN: plan?.name ?? "" };
  const run = (hook: Hook, signal: AbortSignal, outcome: Readonly<Record<string, string>>): Promise<void> =>
    runHook(
      { ...hook, variables: { ...variables, ...outcome } },
      { clock: context.clock, signal, log: context.log },
    );
  let outcome = "failed";
  try {
    if (before !== undefined) await run(before, context.signal, {});
    const result = await work();
    outcome = "succeeded";
    return result;
  } finally {
    if (after !== undefined) {
      try {
        // Not the run's signal: what was frozen has to be thawed.
        await run(after, new AbortController().signal, { HOLDFAST_OUTCOME: outcome });
      } catch (error) {
        const { code, message } = toErrorRecord(error);
        context.warn({ code, path: after.command[0] ?? "", message });
      }
    }
  }
}
