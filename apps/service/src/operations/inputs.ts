/**
 * What the column `input` of a task holds, for each kind: what cannot be read from plan, storage and repository when the task
 * is given out.
 *
 * @module
 */
import {
  browseTask,
  compareTask,
  downloadTask,
  forgetTask,
  proposalId,
  restoreTask,
  searchTask,
  repositoryId,
  type TaskKind,
  verifyTask,
  versionsTask,
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
  restore: restoreTask.pick({
    copy: true,
    target: true,
    include: true,
    paths: true,
    existing: true,
    dryRun: true,
  }),
  verify: verifyTask.pick({ readData: true, copies: true }),
  forget: forgetTask.pick({ copies: true }),
  browse: browseTask.pick({ copy: true, path: true, pathBytes: true, after: true, limit: true }),
  search: searchTask.omit({ id: true, deadline: true, plan: true, kind: true, repository: true }),
  versions: versionsTask.omit({ id: true, deadline: true, plan: true, kind: true, repository: true }),
  compare: compareTask.omit({ id: true, deadline: true, plan: true, kind: true, repository: true }),
  download: downloadTask.omit({ id: true, deadline: true, plan: true, kind: true, repository: true }),
  replicate: z.object({ target: repositoryId, copies: z.array(copyId).max(10_000) }),
} as const satisfies Record<TaskKind, z.ZodType>;
