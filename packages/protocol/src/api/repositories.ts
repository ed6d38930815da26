/**
 * Repositories over the API.
 *
 * @module
 */
import { z } from "zod";
import { copyId, count, deviceId, instant, repositoryId, secretId, storageId, taskId } from "../values.ts";
import { pageQuery } from "./common.ts";

/** Days from one time to the next; 0: never. */
const everyDays = z.int().min(0).max(3650);

const maintenanceEntry = z.object({
  everyDays,
  nextAt: instant.nullable(),
  lastTask: taskId.nullable(),
});

export const repository = z.object({
  id: repositoryId,
  storage: storageId,
  /** Where it lies: a folder below the storage's. */
  location: z.string(),
  encryption: z.object({ method: z.string(), level: z.string(), secret: secretId }).nullable(),
  plans: count,
  copies: count,
  /** Of a replica: the id of its source in the objects; null for others. */
  replicaOf: repositoryId.nullable(),
  createdAt: instant,
  /** Every object's own checksum, which takes no key. */
  verification: maintenanceEntry,
  /** Every byte, decrypted and compared. */
  fullVerification: maintenanceEntry,
  /** Copies that rules do not keep are forgotten, besides after each backup. */
  retention: maintenanceEntry,
  /** Space that no copy needs is given back, besides after copies were forgotten. */
  cleanUp: maintenanceEntry,
});
export type RepositoryView = z.infer<typeof repository>;

export const repositoryQuery = pageQuery.extend({ storage: storageId.optional() });

export const maintenanceChange = z.object({
  verificationEveryDays: everyDays.optional(),
  fullVerificationEveryDays: everyDays.optional(),
  retentionEveryDays: everyDays.optional(),
  cleanUpEveryDays: everyDays.optional(),
});
export type MaintenanceChange = z.infer<typeof maintenanceChange>;

export const verificationRequest = z.object({
  readData: z.boolean().default(false),
  /** Only these; all when empty. */
  copies: z.array(copyId).max(10_000).default([]),
  /** Default: a worker. */
  device: deviceId.optional(),
});
export type VerificationRequest = z.infer<typeof verificationRequest>;

export const repositoryWork = z.object({ device: deviceId.optional() });

export const repositoryRemoval = z.object({
  /** What stands against it, each as a sentence. */
  obstacles: z.array(z.string()),
  /** What stays in the storage. */
  remains: z.string(),
});
export type RepositoryRemoval = z.infer<typeof repositoryRemoval>;

export const repositoryRemovalRequest = z.object({
  /** The first 8 characters of the id, typed by the person. */
  confirmation: z.string().max(64),
});

/** Of one whose storage is gone for good. */
export const repositoryWriteOff = z.object({
  /** What stands against it, each as a sentence. */
  obstacles: z.array(z.string()),
  /** That the catalogue has of it. */
  copies: z.number(),
  newestCopyAt: z.number().nullable(),
  consequence: z.string(),
});
export type RepositoryWriteOff = z.infer<typeof repositoryWriteOff>;

export const repositoryWriteOffRequest = z.object({
  /** The first 8 characters of the id, typed by the person. */
  confirmation: z.string().max(64),
  /** How many copies the service is to know nothing of any more. */
  copies: z.number().int().nonnegative(),
});
export type RepositoryWriteOffRequest = z.infer<typeof repositoryWriteOffRequest>;
