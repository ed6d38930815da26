/** `verify`: finds damage. Without keys every object's own checksum; with them every reference, and every byte. */
import { AppError } from "@holdfast/kernel";
import type { TaskOf } from "@holdfast/protocol";
import {
  readConfig,
  verifyObjects,
  type VerifyProgress,
  verifyRepository,
  type VerifyResult,
} from "@holdfast/repository";
import type { Storage } from "@holdfast/storage";
import { boundedList } from "./bounded-results.ts";
import { openTaskRepository, type TaskContext, type TaskRunner } from "./task-context.ts";

const DAMAGED_MAX = 1000;
const COPIES_MAX = 1000;
const NAME_MAX = 200;

export const verify: TaskRunner<"verify"> = async (task, context) => {
  const begin = context.clock.monotonic();
  const storage = await context.openStorage(task.repository.storage);
  const result = await verifyWithWhatThereIs(storage, task, context);
  const damaged = result.damaged.map(({ object, copies }) => ({
    object: object.slice(0, NAME_MAX),
    copies: copies.slice(0, COPIES_MAX),
  }));
  return {
    objects: result.objects,
    bytes: result.bytes,
    seconds: (context.clock.monotonic() - begin) / 1000,
    damaged: boundedList(damaged, DAMAGED_MAX),
    damagedCount: damaged.length,
  };
};

async function verifyWithWhatThereIs(
  storage: Storage,
  task: TaskOf<"verify">,
  context: TaskContext,
): Promise<VerifyResult> {
  const { signal } = context;
  const listeners = {
    signal,
    onProgress: ({ bytes, bytesTotal }: VerifyProgress) => context.progress({ bytes, bytesTotal }),
    onDamage: ({ object, message }: { readonly object: string; readonly message: string }) => {
      context.warn({ code: "ERR_DAMAGED", path: object, message });
    },
  };
  if (context.keys !== undefined) {
    const repository = await openTaskRepository(context, storage, task.repository);
    const chosen = task.copies.length === 0 ? {} : { copies: task.copies };
    return verifyRepository(repository, { ...chosen, readData: task.readData, ...listeners });
  }
  if (task.readData || task.copies.length > 0) {
    throw new AppError("ERR_CAPABILITY", "Neither single copies nor data can be verified without a key.", {
      remedy: "Verify the whole repository, or its data with the encryption key.",
    });
  }
  const { config } = await readConfig(storage);
  if (config.repository.toString("hex") !== task.repository.id) {
    throw new AppError(
      "ERR_REPOSITORY_MISMATCH",
      `The repository in ${storage.location} is not the expected one.`,
      {
        subject: storage.location,
        remedy: "Somebody exchanged it, or the storage's location was changed: put the right one back.",
      },
    );
  }
  return verifyObjects(storage, listeners);
}
