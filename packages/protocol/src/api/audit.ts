/**
 * The audit log over the API.
 *
 * @module
 */
import { z } from "zod";
import { count, instant, line } from "../values.ts";
import { pageQuery } from "./common.ts";

const ACTOR_KINDS = ["user", "device", "service", "command"] as const;

/** Newest first. */
export const auditQuery = pageQuery.extend({
  actorKind: z.enum(ACTOR_KINDS).optional(),
  /** Id of the user or device. */
  actor: line(100).optional(),
  /** Such as `secret.reveal`; with a dot at the end all that begin so: `secret.` */
  action: z
    .string()
    .max(100)
    .regex(/^[a-z][a-z0-9.-]*$/u)
    .optional(),
  subjectKind: line(100).optional(),
  subject: line(200).optional(),
  from: z.coerce.number().int().nonnegative().optional(),
  /** Exclusive. */
  to: z.coerce.number().int().nonnegative().optional(),
});
export type AuditQuery = z.infer<typeof auditQuery>;

const detail = z.union([z.string(), z.number(), z.boolean(), z.null(), z.array(z.string())]);

export const auditRow = z.object({
  number: count,
  at: instant,
  actor: z.object({
    kind: z.enum(ACTOR_KINDS),
    id: z.string(),
    /** Of a user or device that still is there. */
    name: z.string().optional(),
  }),
  action: z.string(),
  subject: z.object({ kind: z.string(), id: z.string() }),
  details: z.record(z.string(), detail),
  /** Hex SHA-256 that holds it to the row before. */
  hash: z.string(),
});
export type AuditRowView = z.infer<typeof auditRow>;

export const auditVerification = z.object({
  /** Rows that were looked at: all, or those before the problem. */
  rows: count,
  checkpoints: count,
  /** Number of the last row under a signature. */
  signedTo: count,
  /** Base 64 Ed25519 key that the checkpoints are signed with: compare it with one kept elsewhere. */
  publicKey: z.string(),
  /** The newest checkpoint, to be kept elsewhere. */
  head: z.object({ number: count, at: instant, hash: z.string(), signature: z.string() }).optional(),
  /** The first row that is not as it was written. Absent: all are. */
  problem: z.object({ number: count, reason: z.string() }).optional(),
});
export type AuditVerificationView = z.infer<typeof auditVerification>;
