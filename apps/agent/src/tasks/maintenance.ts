/** `forget`, `clean` and `replicate`: what needs no key that could read a copy. */
import {
  clean as cleanRepository,
  forgetCopies,
  replicate as replicateRepository,
} from "@holdfast/repository";
import { boundedList } from "./bounded-results.ts";
import { leftIn } from "./left-in.ts";
import { knownFields } from "./progress-fields.ts";
import { requireRepository } from "./require-repository.ts";
import { openTaskRepository, type TaskRunner } from "./task-context.ts";

/** As the schema of the result says. */
const COPIES_MAX = 10_000;

export const forget: TaskRunner<"forget"> = async (task, context) => {
  const storage = await context.openStorage(task.repository.storage);
  const repository = await openTaskRepository(context, storage, task.repository);
  const forgotten: string[] = [];
  for (const copy of task.copies) {
    context.signal.throwIfAborted();
    await forgetCopies(repository, [copy]);
    forgotten.push(copy);
  }
  return { copies: forgotten };
};

export const clean: TaskRunner<"clean"> = async (task, context) => {
  const begin = context.clock.monotonic();
  const storage = await context.openStorage(task.repository.storage);
  const repository = await openTaskRepository(context, storage, task.repository);
  const result = await cleanRepository(repository, { signal: context.signal });
  for (const [packs, what] of [
    [result.damagedPacks, "is damaged and was left as it is"],
    [result.missingPacks, "is needed by copies and missing"],
  ] as const) {
    for (const pack of packs) {
      context.warn({ code: "ERR_DAMAGED", path: pack, message: `The pack ${pack.slice(0, 12)} ${what}.` });
    }
  }
  if (result.packsPending > 0) {
    context.log(
      "info",
      `${String(result.bytesPending)} bytes wait for a later run: others are at work, or they were found just now.`,
    );
  }
  const seconds = (context.clock.monotonic() - begin) / 1000;
  return { bytesFreed: result.bytesFreed, seconds, ...(await leftIn(storage)) };
};

export const replicate: TaskRunner<"replicate"> = async (task, context) => {
  const begin = context.clock.monotonic();
  const storage = await context.openStorage(task.repository.storage);
  const hasCopies = task.targetHasCopies === true;
  const target = await context.openStorage(task.target, { create: !hasCopies });
  if (hasCopies) await requireRepository(target);
  const repository = await openTaskRepository(context, storage, task.repository);
  const result = await replicateRepository(repository, target, {
    ...(task.copies.length === 0 ? {} : { copies: task.copies }),
    signal: context.signal,
    onProgress: ({ bytesDone, bytesTotal }) =>
      context.progress(knownFields({ bytes: bytesDone, bytesTotal })),
  });
  for (const id of result.damaged) {
    context.warn({
      code: "ERR_DAMAGED",
      path: id,
      message: `The copy ${id.slice(0, 12)} is damaged and was not replicated.`,
    });
  }
  for (const id of result.slotsOnlyInTarget) {
    context.log(
      "warning",
      `The key slot ${id.slice(0, 12)} was removed from the source, but still opens the target.`,
    );
  }
  const seconds = (context.clock.monotonic() - begin) / 1000;
  const replicated = boundedList([...result.copied, ...result.present], COPIES_MAX);
  const { bytesCopied: bytesStored } = result;
  return { copies: result.copied.length, bytesStored, seconds, replicated, ...(await leftIn(target)) };
};
