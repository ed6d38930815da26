/**
 * Signing in (docs/security.md, section 3).
 *
 * @module
 */
import { z } from "zod";
import { instant, userId } from "../values.ts";
import { passwordText, right, role, userName } from "./users.ts";

export const setupState = z.object({
  /** There is no administrator: the link that `holdfast serve` prints makes the first. */
  needed: z.boolean(),
});

export const setupRequest = z.object({
  /** From the fragment of the link. */
  token: z.string().min(1).max(200),
  name: userName,
  password: passwordText,
});
export type SetupRequest = z.infer<typeof setupRequest>;

export const signInRequest = z.object({
  /** Not a `userName`: what is none is answered like a wrong password. */
  name: z.string().max(200),
  password: passwordText,
});
export type SignInRequest = z.infer<typeof signInRequest>;

export const session = z.object({
  user: z.object({ id: userId, name: z.string(), role }),
  rights: z.array(right),
  /** Null for an API token that does not end. */
  expiresAt: instant.nullable(),
});
export type SessionView = z.infer<typeof session>;

export const passwordChange = z.object({ current: passwordText, password: passwordText });
export type PasswordChange = z.infer<typeof passwordChange>;
