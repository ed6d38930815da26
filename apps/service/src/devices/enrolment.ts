/**
 * Enrolment (docs/protocol.md, section 2): a code that is valid once makes a device.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { AppError, type Clock, newId, type Randomness } from "@holdfast/kernel";
import {
  ENROLMENT_CODE_MS,
  ENROLMENT_SECRET_BYTES,
  type EnrollAnswer,
  type EnrollRequest,
  type EnrolmentCodeRequest,
  formatEnrolmentCode,
} from "@holdfast/protocol";
import type { AuditActor, AuditLog } from "../audit/audit.ts";
import type { Authority } from "../authority/authority.ts";
import type { Database, Transaction } from "../database/database.ts";

export interface EnrolmentDependencies {
  readonly database: Database;
  readonly audit: AuditLog;
  readonly authority: Authority;
  readonly clock: Clock;
  readonly randomness: Randomness;
}

/** A code for one device, which the service itself cannot read again. */
export async function createEnrolmentCode(
  { database, audit, authority, clock, randomness }: EnrolmentDependencies,
  actor: AuditActor,
  { note }: EnrolmentCodeRequest,
): Promise<{ code: string; expiresAt: number }> {
  const secret = Buffer.from(randomness(new Uint8Array(ENROLMENT_SECRET_BYTES)));
  const now = clock.now();
  const expiresAt = now + ENROLMENT_CODE_MS;
  await database.transaction(async (transaction) => {
    await transaction
      .deleteFrom("one_time_tokens")
      .where("purpose", "=", "enrolment")
      .where("expires_at", "<", now)
      .execute();
    await transaction
      .insertInto("one_time_tokens")
      .values({
        hash: hashOf(secret),
        purpose: "enrolment",
        created_at: now,
        created_by: actor.id,
        expires_at: expiresAt,
        used_at: null,
        details: JSON.stringify({ note }),
      })
      .execute();
    await audit.append(transaction, {
      actor,
      action: "device.enrolment-code",
      subject: { kind: "device", id: "" },
      details: { note },
    });
  });
  return { code: formatEnrolmentCode({ secret, pin: authority.pin }), expiresAt };
}

/**
 * Makes the device and its certificate, whose subject comes from nothing the agent says.
 *
 * @throws AppError `ERR_ENROLMENT_CODE`, the same for a wrong, used and expired code; `ERR_DEVICE_CERTIFICATE` when the
 * request for a certificate is not acceptable: the code stays valid.
 */
export async function enroll(
  { database, audit, authority, clock, randomness }: EnrolmentDependencies,
  request: EnrollRequest,
): Promise<EnrollAnswer> {
  const hash = hashOf(Buffer.from(request.secret, "base64"));
  // Before any work is done for somebody without a code.
  if ((await validCode(database.db, hash, clock.now())) === undefined) throw codeRefused();
  const id = newId("dev", clock, randomness);
  const certificate = await authority.issueClient(Buffer.from(request.certificateRequest, "base64"), id);
  await database.transaction(async (transaction) => {
    const now = clock.now();
    const code = await validCode(transaction, hash, now);
    if (code === undefined || !(await useCode(transaction, hash, now))) throw codeRefused();
    await transaction
      .insertInto("devices")
      .values({
        id,
        name: request.name || request.platform.hostname.slice(0, 200) || id,
        platform: JSON.stringify(request.platform),
        methods: "[]",
        version: "",
        worker: 0,
        disabled: 0,
        created_at: now,
        created_by: code.created_by,
        certificate_serial: certificate.serial,
        next_certificate_serial: null,
        certificate_expires_at: certificate.expiresAt,
        process_id: null,
        connected_at: null,
        seen_at: null,
        revision: 1,
      })
      .execute();
    await audit.append(transaction, {
      actor: { kind: "device", id },
      action: "device.enroll",
      subject: { kind: "device", id },
      details: { name: request.name, hostname: request.platform.hostname, invitedBy: code.created_by },
    });
  });
  return { device: id, certificate: certificate.pem, authority: authority.certificate };
}

async function validCode(
  db: Database["db"],
  hash: string,
  now: number,
): Promise<{ readonly created_by: string } | undefined> {
  return db
    .selectFrom("one_time_tokens")
    .select("created_by")
    .where("hash", "=", hash)
    .where("purpose", "=", "enrolment")
    .where("used_at", "is", null)
    .where("expires_at", ">", now)
    .executeTakeFirst();
}

async function useCode(transaction: Transaction, hash: string, now: number): Promise<boolean> {
  const used = await transaction
    .updateTable("one_time_tokens")
    .set({ used_at: now })
    .where("hash", "=", hash)
    .where("used_at", "is", null)
    .executeTakeFirst();
  return used.numUpdatedRows === 1n;
}

function hashOf(secret: Uint8Array): string {
  return createHash("sha256").update(secret).digest("hex");
}

function codeRefused(): AppError {
  return new AppError(
    "ERR_ENROLMENT_CODE",
    "The enrolment code is wrong, was used already, or has expired.",
    {
      remedy: "Ask an administrator for a new code: it is valid once, for 15 minutes.",
    },
  );
}
