import { newId } from "@holdfast/kernel";
import type { TaskRow } from "../src/tasks/task-kinds.ts";

/** A task that runs. */
export function newTaskRow(kind: string, input: unknown, fields: Partial<TaskRow> = {}): TaskRow {
  return {
    id: newId("task"),
    kind,
    state: "running",
    plan_id: null,
    device_id: newId("dev"),
    storage_id: null,
    repository_id: null,
    input: JSON.stringify(input),
    result: null,
    error: null,
    created_at: 1,
    created_by: "",
    not_before: 1,
    started_at: null,
    ended_at: null,
    cancel_requested_at: null,
    attempt: 1,
    attempt_max: 1,
    run_id: null,
    start_before: null,
    ...fields,
  };
}
