/** A plan with a retention lock, and backups of it that end when a test says so. */
import { newPlan, type PlanView, type TaskResult } from "@holdfast/protocol";
import { createTaskKinds } from "../src/operations/index.ts";
import { createPlan } from "../src/plans/plans.ts";
import { createStorage } from "../src/storages/storages.ts";
import type { TaskEnd, TaskRow } from "../src/tasks/task-kinds.ts";
import { type Catalogue, planOf } from "./catalogue-fixture.ts";
import { newTaskRow } from "./task-row.ts";

export interface LockScene {
  readonly fixture: Catalogue;
  readonly plan: PlanView;
  readonly device: string;
  readonly end: (kind: "backup" | "copies" | "forget", ended: TaskEnd, input?: unknown) => Promise<void>;
  readonly taskOf: (kind: string, input: unknown) => TaskRow;
  /** A backup that ends now. */
  readonly backUp: (letter: string) => Promise<string>;
}

export async function lockScene(
  fixture: Catalogue,
  fields: Readonly<Record<string, unknown>> = {},
): Promise<LockScene> {
  const device = await fixture.addDevice();
  const storage = { name: "nas", description: "", location: "/srv/nas", identity: {}, secrets: {} };
  const { id } = await createStorage(fixture, fixture.actor, storage);
  const given = { ...planOf({ devices: [device], storage: id, encryption: null }), ...fields };
  const plan = await createPlan(fixture, fixture.actor, newPlan.parse(given));
  const kinds = createTaskKinds(fixture);
  const taskOf = (kind: string, input: unknown): TaskRow =>
    newTaskRow(kind, input, {
      plan_id: plan.id,
      device_id: device,
      storage_id: id,
      repository_id: plan.repository,
    });
  const end: LockScene["end"] = (kind, ended, input = {}) =>
    fixture.database.transaction((transaction) => kinds.ended(transaction, taskOf(kind, input), ended));
  return {
    fixture,
    plan,
    device,
    taskOf,
    end,
    backUp: async (letter) => {
      const copy = letter.repeat(64);
      await end("backup", finishedBackup(copy, fixture.clock.now()));
      return copy;
    },
  };
}

export function finishedBackup(id: string, time: number): TaskEnd {
  const copy = { id, time, host: "h", kind: "files", paths: ["/srv"], tags: [], size: 10, files: 1 };
  const counts = {
    filesNew: 1,
    filesChanged: 0,
    filesUnchanged: 0,
    bytesRead: 10,
    bytesAdded: 10,
    bytesStored: 9,
  };
  const result: TaskResult<"backup"> = { copy, ...counts, seconds: 1, warnings: 0 };
  return { state: "succeeded", result, warnings: 0 };
}
