// What proposals of values need of the other domains.
import type { TaskQueue } from "../tasks/task-kinds.ts";
import type { PlaceTests } from "./place-tests.ts";
import type { SecretDependencies } from "./secrets.ts";

export interface ProposalDependencies extends SecretDependencies {
  readonly queue: TaskQueue;
  readonly placeTests: PlaceTests;
  /** What happened beside an answer and that nobody foresaw. */
  readonly failed?: (error: unknown) => void;
}
