/** `copies`: lists copies with their details for the catalogue. */
import type { CatalogueCopy } from "@holdfast/protocol";
import {
  type Copy,
  type CopyList,
  listCopies,
  type Repository,
  requireKey,
  SessionKeyring,
  withDetails,
} from "@holdfast/repository";
import { boundedList, boundedTexts, LIST_BYTES_MAX } from "./bounded-results.ts";
import { openTaskRepository, type TaskContext, type TaskRunner } from "./task-context.ts";

const COPIES_MAX = 10_000;

export const copies: TaskRunner<"copies"> = async (task, context) => {
  const storage = await context.openStorage(task.repository.storage);
  const repository = await openTaskRepository(context, storage, task.repository);
  const list = await readCopies(repository, context);
  // The newest are the ones that matter most where not all of them fit.
  const found = list.copies.toReversed().map(catalogueEntryOf);
  const bounded = boundedList(found, COPIES_MAX, LIST_BYTES_MAX);
  return { copies: bounded, complete: bounded.length === found.length && list.damaged.length === 0 };
};

/** With what the read capability shows; damaged manifests become warnings. */
export async function readCopies(repository: Repository, context: TaskContext): Promise<CopyList<Copy>> {
  const { keys, ports } = repository;
  const keyring = new SessionKeyring(keys.repository, requireKey(keys, "privateSeed"));
  try {
    const list = withDetails(await listCopies(ports.storage, keys), keys, keyring);
    for (const { code, message, subject = "" } of list.damaged)
      context.warn({ code, message, path: subject });
    return list;
  } finally {
    keyring.wipe();
  }
}

const HOST_MAX = 1000;
const TAG_MAX = 200;
const TAGS_MAX = 100;

function catalogueEntryOf({ id, table, details }: Copy): CatalogueCopy {
  const { host, name, paths, tags, files } = details;
  return {
    id,
    time: table.timeMs,
    host: host.slice(0, HOST_MAX),
    kind: table.kind,
    ...(name === "" ? {} : { name: name.slice(0, HOST_MAX) }),
    paths: boundedTexts(paths.map((path) => path.toString("utf8"))),
    // Whoever made the copy may have had other rules for tags than the catalogue has.
    tags: boundedTexts(
      tags.map((tag) => tag.replaceAll(/\p{Cc}/gu, " ")),
      TAG_MAX,
      TAGS_MAX,
    ),
    size: table.root.bytes,
    files,
  };
}
