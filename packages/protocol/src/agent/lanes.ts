/**
 * How many runs of which kinds a device has at a time: what somebody waits for passes by what takes hours.
 *
 * @module
 */
import type { TaskKind } from "./tasks.ts";

export const TASK_LANES = [
  { name: "long", runsMax: 2 },
  { name: "short", runsMax: 4 },
  { name: "download", runsMax: 2 },
] as const;
export type TaskLane = (typeof TASK_LANES)[number]["name"];

/** Somebody looks at a screen until they answer. */
export const SHORT_KINDS: readonly TaskKind[] = [
  "storage.test",
  "browse",
  "copies",
  "search",
  "versions",
  "compare",
];
export const DOWNLOAD_KINDS: readonly TaskKind[] = ["download"];

export function laneOf(kind: TaskKind): TaskLane {
  if (SHORT_KINDS.includes(kind)) return "short";
  return DOWNLOAD_KINDS.includes(kind) ? "download" : "long";
}
