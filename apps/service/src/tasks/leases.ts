/**
 * Leases (docs/protocol.md, section 5): what a run needs of secrets, for as long as it lasts.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { KEM_PUBLIC_KEY_BYTES, sealToPublicKey } from "@holdfast/crypto";
import { AppError, type Clock, newId, type Randomness } from "@holdfast/kernel";
import { LEASE_MS, leaseContext, LEASES_PER_RUN_MAX } from "@holdfast/protocol";
import type { AuditLog } from "../audit/audit.ts";
import type { Database, Transaction } from "../database/database.ts";
import { isOfDatabase } from "../database/failures.ts";
import { z } from "zod";
import { ACTIVE_RUN_STATES } from "./run-end.ts";
import type { Grant, TaskKinds, TaskRow } from "./task-kinds.ts";

export interface LeaseDependencies {
  readonly database: Database;
  readonly audit: AuditLog;
  readonly kinds: Pick<TaskKinds, "grant">;
  readonly clock: Clock;
  readonly randomness: Randomness;
}

export interface GivenLease {
  readonly lease: string;
  readonly until: number;
  /** Base 64. */
  readonly sealed: string;
}

interface Wanted {
  readonly deviceId: string;
  readonly runId: string;
  readonly publicKey: Buffer;
}

/**
 * Records the lease, and only then returns it.
 *
 * @param publicKey X-Wing, drawn by the agent for this one lease.
 * @throws AppError `ERR_LEASE_REFUSED`; `ERR_KEY_FORMAT` when the public key is none; what `TaskKinds.grant` throws.
 */
export async function giveLease(
  dependencies: LeaseDependencies,
  deviceId: string,
  runId: string,
  publicKey: Buffer,
): Promise<GivenLease> {
  const wanted = { deviceId, runId, publicKey };
  try {
    if (publicKey.length !== KEM_PUBLIC_KEY_BYTES) {
      throw new AppError("ERR_KEY_FORMAT", "The public key of the lease has the wrong length.", {
        subject: runId,
      });
    }
    return await dependencies.database.transaction((transaction) => give(dependencies, transaction, wanted));
  } catch (error) {
    if (error instanceof AppError && !isOfDatabase(error)) await recordRefusal(dependencies, wanted, error);
    throw error;
  }
}

/** A device that asks for runs which are not its own can fill the log with no more than this. */
const REFUSAL_WINDOW_MS = 24 * 3_600_000;

/** Once of a run and reason; once a day of a device that asks for runs of others. */
async function recordRefusal(
  { database, audit, clock }: LeaseDependencies,
  { deviceId, runId }: Wanted,
  { code, message }: AppError,
): Promise<void> {
  await database.transaction(async (transaction) => {
    const own = await transaction
      .selectFrom("runs")
      .select("task_id")
      .where("id", "=", runId)
      .where("device_id", "=", deviceId)
      .executeTakeFirst();
    const subject = own === undefined ? { kind: "device", id: deviceId } : { kind: "run", id: runId };
    // Ids of runs that are not its own are whatever it says.
    const reason = own === undefined ? code : message;
    const before = await transaction
      .selectFrom("audit_rows")
      .select("details")
      .where("subject_kind", "=", subject.kind)
      .where("subject_id", "=", subject.id)
      .where("action", "=", "lease.refuse")
      .where("at", ">", own === undefined ? clock.now() - REFUSAL_WINDOW_MS : -1)
      .execute();
    if (before.some(({ details }) => refusalDetails.safeParse(JSON.parse(details)).data?.reason === reason))
      return;
    await audit.append(transaction, {
      actor: { kind: "device", id: deviceId },
      action: "lease.refuse",
      subject,
      details: { code, reason, ...(own === undefined ? {} : { task: own.task_id }) },
    });
  });
}

const refusalDetails = z.object({ reason: z.string() });

async function give(
  dependencies: LeaseDependencies,
  transaction: Transaction,
  wanted: Wanted,
): Promise<GivenLease> {
  const { kinds, clock, randomness } = dependencies;
  const hash = createHash("sha256").update(wanted.publicKey).digest("hex");
  const task = await checkRun(transaction, wanted);
  await checkOnce(transaction, wanted.runId, hash);
  const grant = await kinds.grant(transaction, task);
  const now = clock.now();
  const lease = newId("lease", clock, randomness);
  const until = now + LEASE_MS;
  await transaction
    .insertInto("leases")
    .values({
      id: lease,
      run_id: wanted.runId,
      device_id: wanted.deviceId,
      public_key_hash: hash,
      given_at: now,
      until,
      ended_at: null,
    })
    .execute();
  await record(dependencies, transaction, { ...wanted, lease, now, task, grant });
  return { lease, until, sealed: seal(wanted, lease, until, grant) };
}

/** One answer for all that is wrong with a run, so that nothing is learnt of runs of others. */
async function checkRun(transaction: Transaction, { deviceId, runId }: Wanted): Promise<TaskRow> {
  const task = await transaction
    .selectFrom("runs")
    .innerJoin("tasks", "tasks.id", "runs.task_id")
    .innerJoin("devices", "devices.id", "runs.device_id")
    .selectAll("tasks")
    .where("runs.id", "=", runId)
    .where("runs.device_id", "=", deviceId)
    .where("runs.state", "in", ACTIVE_RUN_STATES)
    .where("tasks.state", "=", "running")
    .whereRef("tasks.run_id", "=", "runs.id")
    .where("tasks.cancel_requested_at", "is", null)
    .where("devices.disabled", "=", 0)
    .executeTakeFirst();
  return task ?? refuse(runId, "the run is not one that this device carries out");
}

async function checkOnce(transaction: Transaction, runId: string, hash: string): Promise<void> {
  const before = await transaction
    .selectFrom("leases")
    .select(["run_id", "public_key_hash"])
    .where((eb) => eb.or([eb("run_id", "=", runId), eb("public_key_hash", "=", hash)]))
    .execute();
  if (before.some((lease) => lease.public_key_hash === hash))
    refuse(runId, "there was a lease for this public key already");
  if (before.length >= LEASES_PER_RUN_MAX) refuse(runId, "the run has had all its leases");
}

function refuse(runId: string, reason: string): never {
  throw new AppError("ERR_LEASE_REFUSED", `There is no lease for the run ${runId}: ${reason}.`, {
    subject: runId,
    remedy: "Start the task again if it is still wanted.",
  });
}

async function record(
  { audit, clock, randomness }: LeaseDependencies,
  transaction: Transaction,
  given: Wanted & {
    readonly lease: string;
    readonly now: number;
    readonly task: TaskRow;
    readonly grant: Grant;
  },
): Promise<void> {
  const { deviceId, runId, lease, now, task, grant } = given;
  await audit.append(transaction, {
    actor: { kind: "device", id: deviceId },
    action: "lease.give",
    subject: { kind: "run", id: runId },
    details: { lease, task: task.id, kind: task.kind, given: grant.description },
  });
  if (grant.exposures.length === 0) return;
  await transaction
    .insertInto("secret_exposures")
    .values(
      grant.exposures.map(({ kind, id, version }) => ({
        id: newId("exp", clock, randomness),
        device_id: deviceId,
        object_kind: kind,
        object_id: id,
        version,
        run_id: runId,
        lease_id: lease,
        at: now,
      })),
    )
    .execute();
}

function seal({ deviceId, runId, publicKey }: Wanted, lease: string, until: number, grant: Grant): string {
  const context = leaseContext({ device: deviceId, run: runId, lease, until });
  const payload = Buffer.from(JSON.stringify(grant.payload), "utf8");
  try {
    return sealToPublicKey(publicKey, context, payload).toString("base64");
  } finally {
    payload.fill(0);
  }
}

/** Moves the leases of the runs that a device carries out; one that has run out stays so. */
export async function renewLeases(
  { database, clock }: Pick<LeaseDependencies, "database" | "clock">,
  deviceId: string,
): Promise<{ lease: string; until: number }[]> {
  const now = clock.now();
  const until = now + LEASE_MS;
  const renewed = await database.db
    .updateTable("leases")
    .set({ until })
    .where("device_id", "=", deviceId)
    .where("ended_at", "is", null)
    .where("until", ">", now)
    .returning("id")
    .execute();
  return renewed.map(({ id }) => ({ lease: id, until }));
}
