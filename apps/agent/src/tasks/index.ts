// What an agent can carry out, one runner for each kind of task.
import type { TaskKind } from "@holdfast/protocol";
import { backup } from "./backup.ts";
import { browse } from "./browse.ts";
import { copies } from "./copies.ts";
import { clean, forget, replicate } from "./maintenance.ts";
import { restore } from "./restore.ts";
import { storageTest } from "./storage-test.ts";
import type { TaskRunner } from "./task-context.ts";
import { verify } from "./verify.ts";

export const TASK_RUNNERS: { readonly [K in TaskKind]: TaskRunner<K> } = {
  "storage.test": storageTest,
  backup,
  copies,
  restore,
  verify,
  forget,
  clean,
  replicate,
  browse,
};
