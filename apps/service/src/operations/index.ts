/**
 * The kinds of tasks: what the queue gives out, what a lease grants, and what the end of a task brings about.
 *
 * @module
 */
import type { Randomness } from "@holdfast/kernel";
import { withNotifications } from "../notifications/task-events.ts";
import { checkTaskTargets } from "../outbound/storage-targets.ts";
import type { Vault } from "../secrets/vault.ts";
import type { TaskKinds } from "../tasks/task-kinds.ts";
import { describeTask } from "./describe.ts";
import { type EndDependencies, taskEnded } from "./ended.ts";
import { grantFor } from "./grant.ts";
import { retryDelayOf } from "./retry-delay.ts";

export interface TaskKindDependencies extends EndDependencies {
  readonly vault: Vault;
  readonly randomness: Randomness;
}

export function createTaskKinds(dependencies: TaskKindDependencies): TaskKinds {
  return {
    describe: async (db, task) => {
      await checkTaskTargets(db, task);
      return describeTask(db, task);
    },
    grant: (db, task) => grantFor(db, dependencies, task),
    retryDelayMs: (db, task) => retryDelayOf(db, dependencies.randomness, task),
    ended: withNotifications(dependencies, (transaction, task, end) =>
      taskEnded(dependencies, transaction, task, end),
    ),
  };
}
