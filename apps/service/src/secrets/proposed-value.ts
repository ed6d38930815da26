/**
 * The proposed value of a password in the lease of the one task that tests it. It goes to the place that the proposal was made
 * for and nowhere else: what has changed meanwhile, and so could send it to somebody else, ends the test.
 *
 * @module
 */
import { AppError } from "@holdfast/kernel";
import type { Db } from "../database/database.ts";
import type { ValueName } from "./vault.ts";

export interface ProposedSecret {
  readonly proposalId: string;
  /** The password in whose place the proposed value is used. */
  readonly secretId: string;
}

export function proposalValue(proposalId: string): ValueName {
  return { kind: "proposal", id: proposalId, version: 1, field: "value" };
}

/**
 * Whether this task may test this proposal at this place still.
 *
 * @param place as `PlaceTest.placeOf` gives it now.
 * @param now undefined: its end by time is not asked.
 * @throws AppError `ERR_CHANGED_MEANWHILE`.
 */
export async function proposedSecretOf(
  db: Db,
  { taskId, proposalId, place, now }: ProposedTask,
): Promise<ProposedSecret> {
  const row = await db
    .selectFrom("secret_proposal_tests as test")
    .innerJoin("secret_proposals as proposal", "proposal.id", "test.proposal_id")
    .select(["proposal.secret_id", "proposal.expires_at", "test.place"])
    .where("test.task_id", "=", taskId)
    .where("test.proposal_id", "=", proposalId)
    .where("proposal.state", "=", "open")
    .executeTakeFirst();
  if (row === undefined || (now !== undefined && row.expires_at <= now)) {
    throw ended(proposalId, "The proposed value is not there any more, or is tested by another task.");
  }
  if (row.place !== place) {
    throw ended(proposalId, "The place where the proposed value was to be tested was changed meanwhile.");
  }
  return { proposalId, secretId: row.secret_id };
}

export interface ProposedTask {
  readonly taskId: string;
  readonly proposalId: string;
  readonly place: string;
  readonly now?: number;
}

function ended(proposalId: string, message: string): AppError {
  return new AppError("ERR_CHANGED_MEANWHILE", message, {
    subject: proposalId,
    remedy: "Test it again in the Password Manager, or propose the value anew.",
  });
}
