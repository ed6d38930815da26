// What an agent can carry out, one runner for each kind of task.
import type { TaskKind } from "@holdfast/protocol";
import { backup } from "./backup.ts";
import { browse } from "./browse.ts";
import { compare } from "./compare.ts";
import { copies } from "./copies.ts";
import { download } from "./download.ts";
import { clean, forget, replicate } from "./maintenance.ts";
import { restore } from "./restore.ts";
import { search } from "./search.ts";
import { storageTest } from "./storage-test.ts";
import type { TaskRunner } from "./task-context.ts";
import { verify } from "./verify.ts";
import { versions } from "./versions.ts";

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
  search,
  versions,
  compare,
  download,
};
