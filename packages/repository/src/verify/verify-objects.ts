/**
 * What can be verified without any key: that every object is what its name or its last bytes say, and belongs to the
 * repository.
 *
 * @module
 */
import { isAppError } from "@holdfast/kernel";
import type { Storage } from "@holdfast/storage";
import { decodeConfig } from "../format/config.ts";
import { CONFIG_NAME } from "../format/object-names.ts";
import { getIfThere } from "../storage-reading.ts";
import { checkWithoutKeys } from "./check-small-object.ts";
import { type ListedObject, listObjects } from "./object-list.ts";
import { checkObjects } from "./object-pass.ts";
import { VerifyTally } from "./verify-tally.ts";
import { DamageReport, type FoundDamage, type VerifyProgress, type VerifyResult } from "./report.ts";

export interface VerifyObjectsOptions {
  /** Threads; default: the number of cores, at most 4. */
  readonly workers?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: VerifyProgress) => void;
  readonly onDamage?: (found: FoundDamage) => void;
}

/**
 * Checks every object without keys. Which copies are touched takes keys: see `verifyRepository`.
 *
 * @throws AppError `ERR_CANCELLED`, errors of the storage.
 */
export async function verifyObjects(
  storage: Storage,
  options: VerifyObjectsOptions = {},
): Promise<VerifyResult> {
  const { signal, onProgress, workers } = options;
  const report = new DamageReport(options.onDamage);
  const objects = await listObjects(storage, signal);
  const tally = new VerifyTally(objects, onProgress);
  const repository = await repositoryId(storage);
  if (repository === undefined) report.add(CONFIG_NAME, "The config is missing or damaged.");
  for (const object of objects.filter(isSmall)) {
    const bytes = await getIfThere(storage, object.name);
    if (bytes === undefined) continue;
    for (const problem of checkWithoutKeys(bytes, object, repository)) report.add(object.name, problem);
    tally.add(bytes.length);
  }
  const setup = { level: "checksums", repository, keys: undefined } as const;
  await checkObjects(
    storage,
    objects.filter((object) => !isSmall(object)),
    { setup, workers, signal },
    ({ object, bytes, problems, gone }) => {
      for (const problem of problems) report.add(object.name, problem);
      if (!gone) tally.add(bytes);
    },
  );
  return { ...tally.counts, damaged: report.finish() };
}

export function isSmall({ kind }: ListedObject): boolean {
  return kind !== "pack" && kind !== "index";
}

async function repositoryId(storage: Storage): Promise<Buffer | undefined> {
  const bytes = await getIfThere(storage, CONFIG_NAME);
  try {
    return bytes === undefined ? undefined : decodeConfig(bytes).repository;
  } catch (error) {
    if (isAppError(error, "ERR_DAMAGED") || isAppError(error, "ERR_FORMAT_VERSION")) return undefined;
    throw error;
  }
}
