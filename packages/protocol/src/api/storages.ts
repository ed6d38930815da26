/**
 * Storages over the API.
 *
 * @module
 */
import { z } from "zod";
import { count, instant, line, secretId, storageId, taskId } from "../values.ts";
import { pageQuery } from "./common.ts";

/** Names of credentials as docs/storages.md has them for each kind of storage. */
const credentialName = z.string().regex(/^[a-z][A-Za-z]{0,39}$/u);

const location = z.string().min(1).max(4096);
/** What is not secret of the credentials: `user`, `domain`, `accessKeyId`, `account`. */
const identity = z.record(credentialName, line(400));
/** The secret credentials, by name: ids of passwords in the Password Manager. */
const secrets = z.record(credentialName, secretId);

/**
 * Values of secrets, typed again: needed for each that is in use and would go to a host that has not had it, so that nobody
 * sends a stored secret to a host of his choice.
 */
const confirmation = z.record(credentialName, z.string().max(64 * 1024)).optional();

export const newStorage = z.object({
  name: line(200).min(1),
  description: line(2000).default(""),
  location,
  identity: identity.default({}),
  secrets: secrets.default({}),
  confirmation,
});
export type NewStorage = z.infer<typeof newStorage>;

export const storageChange = z.object({
  name: line(200).min(1).optional(),
  description: line(2000).optional(),
  location: location.optional(),
  identity: identity.optional(),
  secrets: secrets.optional(),
  confirmation,
});
export type StorageChange = z.infer<typeof storageChange>;

export const storage = z.object({
  id: storageId,
  name: z.string(),
  description: z.string(),
  location: z.string(),
  identity: z.record(z.string(), z.string()),
  secrets: z.record(z.string(), z.string()),
  repositories: count,
  copies: count,
  /** What its copies took when they were made. A clean-up gives back what no copy needs any more. */
  storedBytes: count,
  /** As the last test or backup found it; null where the storage does not tell, or nothing has asked it yet. */
  free: z.object({ bytes: count, at: instant }).nullable(),
  createdAt: instant,
  revision: count,
});
export type StorageView = z.infer<typeof storage>;

export const storageQuery = pageQuery;

export const storageTest = z.object({
  /** The device that tries it. Default: a worker. */
  device: z.string().max(40).optional(),
});

export const startedTask = z.object({ task: taskId });
export const startedTasks = z.object({ tasks: z.array(taskId) });
