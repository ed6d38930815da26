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
  /** Of the authenticator app, when the answer was `ERR_SECOND_FACTOR_NEEDED`. */
  code: z.string().max(20).optional(),
});
export type SignInRequest = z.infer<typeof signInRequest>;

export const session = z.object({
  user: z.object({ id: userId, name: z.string(), role }),
  rights: z.array(right),
  /** Null for an API token that does not end. */
  expiresAt: instant.nullable(),
});
export type SessionView = z.infer<typeof session>;

/** With the token of an invitation. */
export const invitationAcceptance = z.object({ token: z.string().min(1).max(200), password: passwordText });
export type InvitationAcceptance = z.infer<typeof invitationAcceptance>;

/** Hex SHA-256 of the token. */
export const sessionId = z.string().regex(/^[0-9a-f]{64}$/u, "is no id of a session");

export const sessionItem = z.object({
  id: sessionId,
  /** The one that asks. */
  current: z.boolean(),
  method: z.enum(["password", "passkey", "single-sign-on", "set-up", "invitation"]),
  createdAt: instant,
  /** To the minute. */
  usedAt: instant,
  /** Unless it is used before. */
  expiresAt: instant,
  /** Of IPv6 the network. */
  address: z.string(),
  userAgent: z.string(),
});
export type SessionItem = z.infer<typeof sessionItem>;
export const sessionList = z.object({ items: z.array(sessionItem) });

/** Before the second factor is made or removed. Absent of who has none: `POST /session/confirmation` takes its place. */
export const passwordConfirmation = z.object({ password: passwordText.default("") });
export type PasswordConfirmation = z.infer<typeof passwordConfirmation>;

export const secondFactor = z.object({
  /** Shown once, in base 32, to be typed into an authenticator app. */
  secret: z.string(),
  /** The same as a link, for a QR code. */
  uri: z.string(),
});

export const secondFactorCode = z.object({ code: z.string().max(20) });
export type SecondFactorCode = z.infer<typeof secondFactorCode>;

/** One's own. */
export const nameChange = z.object({ name: userName, password: passwordText.default("") });
export type NameChange = z.infer<typeof nameChange>;

export const passwordChange = z.object({ current: passwordText.default(""), password: passwordText });
export type PasswordChange = z.infer<typeof passwordChange>;
