/**
 * What the column `input` of a task holds, for each kind: what cannot be read from plan, storage and repository when the task
 * is given out.
 *
 * @module
 */
import {
  browseTask,
  forgetTask,
  proposalId,
  restoreTask,
  repositoryId,
  type TaskKind,
  verifyTask,
  copyId,
} from "@holdfast/protocol";
import { z } from "zod";

const nothing = z.object({});
/** A proposed value of a password, which this task tests in place of the stored one. */
const storageTestInput = z.object({ proposal: proposalId.optional() });

export const taskInputs = {
  "storage.test": storageTestInput,
  backup: nothing,
  copies: nothing,
  clean: nothing,
  restore: restoreTask.pick({ copy: true, target: true, include: true, existing: true }),
  verify: verifyTask.pick({ readData: true, copies: true }),
  forget: forgetTask.pick({ copies: true }),
  browse: browseTask.pick({ copy: true, path: true, after: true, limit: true }),
  replicate: z.object({ target: repositoryId, copies: z.array(copyId).max(10_000) }),
} as const satisfies Record<TaskKind, z.ZodType>;
