/**
 * People, and what they may do (docs/security.md, section 3).
 *
 * @module
 */
import { z } from "zod";
import { count, instant, userId } from "../values.ts";
import { pageQuery } from "./common.ts";

export const RIGHTS = [
  "secrets.list",
  "secrets.use",
  "secrets.reveal",
  "secrets.edit",
  "secrets.delete",
  "secrets.protect",
  "audit.read",
  "storages.read",
  "storages.edit",
  "devices.read",
  "devices.edit",
  "plans.read",
  "plans.edit",
  "plans.run",
  "tasks.read",
  "tasks.cancel",
  "copies.read",
  "copies.browse",
  "copies.restore",
  "copies.delete",
  "users.read",
  "users.edit",
  "service.operate",
] as const;
export const right = z.enum(RIGHTS);
export type Right = z.infer<typeof right>;

/** Given to single users besides their role. */
export const GRANTABLE_RIGHTS = [
  "secrets.list",
  "secrets.use",
  "secrets.reveal",
  "secrets.edit",
  "secrets.delete",
  "secrets.protect",
  "audit.read",
] as const satisfies readonly Right[];
export const grantableRight = z.enum(GRANTABLE_RIGHTS);
export type GrantableRight = z.infer<typeof grantableRight>;

export const ROLES = ["administrator", "backup-operator", "restore-operator", "viewer"] as const;
export const role = z.enum(ROLES);
export type Role = z.infer<typeof role>;

/** Small letters only, so that no two names look the same. */
export const userName = z
  .string()
  .max(100)
  .regex(
    /^[a-z0-9](?:[a-z0-9._@+-]*[a-z0-9])?$/u,
    "has to be small letters, digits and . _ @ + - between them",
  );

export const PASSWORD_CHARACTERS_MIN = 12;
export const PASSWORD_CHARACTERS_MAX = 1000;
/** That it is long enough is a rule with a text of its own. */
export const passwordText = z.string().max(PASSWORD_CHARACTERS_MAX);

const grants = z
  .array(grantableRight)
  .max(GRANTABLE_RIGHTS.length)
  .refine((rights) => new Set(rights).size === rights.length, "names a right twice");

export const user = z.object({
  id: userId,
  name: z.string(),
  role,
  /** Besides those of the role. */
  rights: z.array(grantableRight),
  disabled: z.boolean(),
  secondFactor: z.boolean(),
  createdAt: instant,
  passwordChangedAt: instant,
  /** Who was invited has none yet; who signs in by a provider needs none. */
  hasPassword: z.boolean(),
  /** Of an invitation that was not accepted; it may be over. */
  invitedUntil: instant.nullable(),
  /** At providers of single sign-on, that sign in as this user. */
  accounts: count,
  lastSignInAt: instant.nullable(),
  revision: count,
});
export type UserView = z.infer<typeof user>;

export const newUser = z.object({
  name: userName,
  role,
  rights: grants.default([]),
  password: passwordText,
});
export type NewUser = z.infer<typeof newUser>;

export const userChange = z.object({
  role: role.optional(),
  rights: grants.optional(),
  disabled: z.boolean().optional(),
});
export type UserChange = z.infer<typeof userChange>;

/** Of somebody else, by an administrator. */
export const passwordReset = z.object({ password: passwordText });
export type PasswordReset = z.infer<typeof passwordReset>;

export const newInvitation = newUser.omit({ password: true });
export type NewInvitation = z.infer<typeof newInvitation>;

export const invitation = z.object({
  user,
  /** Shown once: of the link `/invitation#TOKEN`. */
  token: z.string(),
  expiresAt: instant,
});
export type Invitation = z.infer<typeof invitation>;

export const userQuery = pageQuery;
