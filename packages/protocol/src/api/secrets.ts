/**
 * The Password Manager over the API. Values go in; they come out of `reveal` alone.
 *
 * @module
 */
import { z } from "zod";
import { count, deviceId, idOf, instant, line, secretId, taskId } from "../values.ts";
import { pageQuery } from "./common.ts";

export const SECRET_KINDS = ["password", "encryption-key"] as const;
export const secretKind = z.enum(SECRET_KINDS);
export type SecretKind = z.infer<typeof secretKind>;

/** Characters; a private key of SSH fits well. */
const VALUE_MAX = 32 * 1024;
const value = z.string().min(1).max(VALUE_MAX);
const name = line(200).min(1);
/** May have several lines. */
const description = z
  .string()
  .max(2000)
  .regex(/^(?:[^\p{Cc}]|\n|\t)*$/u, "has control characters");
const hint = line(200);

export const newSecret = z.object({
  kind: secretKind,
  name,
  description: description.default(""),
  /** Reminds of an encryption key without giving it away. */
  hint: hint.default(""),
  /** Absent with `generate`. */
  value: value.optional(),
  /** The value, typed again. */
  confirmation: z.string().max(VALUE_MAX).optional(),
  /** The service draws the value: 130 random bits in groups. */
  generate: z.boolean().default(false),
});
export type NewSecret = z.infer<typeof newSecret>;

export const secretChange = z.object({
  name: name.optional(),
  description: description.optional(),
  hint: hint.optional(),
  /** A disabled secret is not leased any more. */
  disabled: z.boolean().optional(),
});
export type SecretChange = z.infer<typeof secretChange>;

export const newSecretValue = z.object({
  value,
  confirmation: z.string().max(VALUE_MAX),
  /** Takes the value untested although the password is in use. A proposal tests it first. */
  despiteTests: z.boolean().default(false),
});
export type NewSecretValue = z.infer<typeof newSecretValue>;

export const secret = z.object({
  id: secretId,
  kind: secretKind,
  name: z.string(),
  description: z.string(),
  hint: z.string(),
  /** Of the value. */
  version: count,
  generated: z.boolean(),
  disabled: z.boolean(),
  createdAt: instant,
  createdBy: z.string(),
  updatedAt: instant,
  revision: count,
});
export type SecretView = z.infer<typeof secret>;

/** Something that a person should know of what was stored all the same. */
export const secretWarning = z.object({ code: z.string(), message: z.string(), remedy: z.string() });
export type SecretWarning = z.infer<typeof secretWarning>;

/** Told once: how strong a value is, is not kept. */
export const createdSecret = secret.extend({ warnings: z.array(secretWarning) });
export type CreatedSecret = z.infer<typeof createdSecret>;

/** A value to be estimated; it is neither stored nor logged. */
export const strengthRequest = z.object({ value: z.string().min(1).max(1024) });

export const strength = z.object({
  /** Decimal logarithm of the guesses that somebody needs who knows what people choose. */
  guessesLog10: z.number(),
  /** With ten thousand guesses a second at a key or passphrase of Holdfast: not more than 10^15. */
  secondsToGuess: z.number().nonnegative(),
  /** Of zxcvbn: 4 is the best. */
  score: z.int().min(0).max(4),
  /** A `hopeless` value is refused for an encryption key and for the vault, a `weak` one is taken with a warning. */
  verdict: z.enum(["hopeless", "weak", "good"]),
  warning: z.string().nullable(),
  suggestions: z.array(z.string()),
});
export type StrengthView = z.infer<typeof strength>;

export const secretQuery = pageQuery.extend({
  kind: secretKind.optional(),
  /** Part of the name. */
  name: z.string().max(200).optional(),
});
export type SecretQuery = z.infer<typeof secretQuery>;

/** Something that needs a secret. */
export const secretUse = z.object({
  /** `storage`, `plan`, `repository`, ... */
  kind: z.string(),
  id: z.string(),
  name: z.string(),
  /** Copies that need it, of a repository. */
  copies: count.optional(),
});
export type SecretUse = z.infer<typeof secretUse>;
export const secretUses = z.object({ items: z.array(secretUse) });

export const proposalId = idOf("prop");

export const newProposal = z.object({ value, confirmation: z.string().max(VALUE_MAX) });
export type NewProposal = z.infer<typeof newProposal>;

/** Where a proposed value is tested, and what came of it. */
export const proposalPlace = z.object({
  /** As of {@link secretUse}. */
  kind: z.string(),
  id: z.string(),
  name: z.string(),
  /** `untested`: nobody can test it there now; the error says why. */
  state: z.enum(["waiting", "running", "succeeded", "failed", "untested"]),
  /** That tests it; absent where the service does so itself. */
  device: deviceId.optional(),
  task: taskId.optional(),
  error: z
    .object({
      code: z.string(),
      message: z.string(),
      subject: z.string().optional(),
      remedy: z.string().optional(),
    })
    .optional(),
});
export type ProposalPlace = z.infer<typeof proposalPlace>;

/** A new value of a password that is tested before it replaces the old one. It is never shown. */
export const proposal = z.object({
  id: proposalId,
  secret: secretId,
  state: z.enum(["open", "accepted", "discarded", "expired"]),
  /** Every test has ended. */
  finished: z.boolean(),
  /** Every place has taken the value: it may be accepted as it is. */
  passed: z.boolean(),
  places: z.array(proposalPlace),
  createdAt: instant,
  createdBy: z.string(),
  /** Discarded by itself then. */
  expiresAt: instant,
  endedAt: instant.nullable(),
});
export type ProposalView = z.infer<typeof proposal>;
/** The newest first. */
export const proposals = z.object({ items: z.array(proposal) });

export const proposalAcceptance = z.object({
  /** Takes the value although places refuse it, or were not tested. */
  despiteTests: z.boolean().default(false),
});
export type ProposalAcceptance = z.infer<typeof proposalAcceptance>;

/** The person's own password, asked again. Absent of who has none: `POST /session/confirmation` takes its place. */
const ownPassword = z.string().max(1024).default("");
const reason = line(500).regex(/\S/u, "is empty");

export const revealRequest = z.object({
  password: ownPassword,
  /** For the audit log. */
  reason,
  /** Default: the current one. */
  version: z.int().positive().optional(),
});
export type RevealRequest = z.infer<typeof revealRequest>;
export const revealedSecret = z.object({ value: z.string(), version: count });

export const checkRequest = z.object({ value });
export const checkAnswer = z.object({ matches: z.boolean() });

/** What a device was given, and whether that is still good for something. */
export const deviceExposure = z.object({
  kind: z.string(),
  id: z.string(),
  /** Absent: it was deleted. */
  name: z.string().optional(),
  version: count,
  firstAt: instant,
  lastAt: instant,
  leases: count,
  /** False: what the device has is still in use, and is to be changed when the device is lost. */
  changedSince: z.boolean(),
});
export type DeviceExposure = z.infer<typeof deviceExposure>;
export const deviceExposures = z.object({ items: z.array(deviceExposure) });

/** A device that was given the secret. */
export const secretExposure = z.object({
  device: deviceId,
  /** Absent: it was removed. */
  name: z.string().optional(),
  version: count,
  firstAt: instant,
  lastAt: instant,
  leases: count,
  changedSince: z.boolean(),
});
export type SecretExposure = z.infer<typeof secretExposure>;
export const secretExposures = z.object({ items: z.array(secretExposure) });
