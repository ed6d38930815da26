/**
 * The kinds of tasks: what the queue gives out, what a lease grants, and what the end of a task brings about.
 *
 * @module
 */
import type { Vault } from "../secrets/vault.ts";
import type { TaskKinds } from "../tasks/task-kinds.ts";
import { describeTask } from "./describe.ts";
import { type EndDependencies, taskEnded } from "./ended.ts";
import { grantFor } from "./grant.ts";

export function createTaskKinds(dependencies: EndDependencies & { readonly vault: Vault }): TaskKinds {
  return {
    describe: describeTask,
    grant: (db, task) => grantFor(db, dependencies.vault, task),
    ended: (transaction, task, end) => taskEnded(dependencies, transaction, task, end),
  };
}
