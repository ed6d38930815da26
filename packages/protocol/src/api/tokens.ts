/**
 * API tokens: for programs, in the name of a person, with a part of that person's rights.
 *
 * @module
 */
import { z } from "zod";
import { idOf, instant, line } from "../values.ts";
import { RIGHTS, right } from "./users.ts";

export const apiTokenId = idOf("tok");

export const apiToken = z.object({
  id: apiTokenId,
  name: z.string(),
  /** What it may do, of what its person may do. */
  scopes: z.array(right),
  createdAt: instant,
  usedAt: instant.nullable(),
  /** Null: until it is deleted. */
  expiresAt: instant.nullable(),
});
export type ApiTokenView = z.infer<typeof apiToken>;

export const newApiToken = z.object({
  name: line(200).min(1),
  scopes: z.array(right).min(1).max(RIGHTS.length),
  expiresAt: instant.nullable(),
});
export type NewApiToken = z.infer<typeof newApiToken>;

export const createdApiToken = apiToken.extend({
  /** Shown once; the service keeps a hash only. */
  token: z.string(),
});
export type CreatedApiToken = z.infer<typeof createdApiToken>;

export const apiTokenList = z.object({ items: z.array(apiToken) });
