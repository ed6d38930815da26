// Finding and showing proposals: everything but the value.
import { AppError } from "@holdfast/kernel";
import { errorRecord, type ProposalPlace, type ProposalView } from "@holdfast/protocol";
import type { Selectable } from "kysely";
import type { Db } from "../database/database.ts";
import type { SecretProposalsTable, TaskState } from "../database/tables.ts";

export type ProposalRow = Selectable<SecretProposalsTable>;

/** Shown of a secret. */
const PROPOSALS_MAX = 20;

/** @throws AppError `ERR_NOT_FOUND`. */
export async function findProposal(db: Db, secretId: string, id: string): Promise<ProposalRow> {
  const row = await db
    .selectFrom("secret_proposals")
    .selectAll()
    .where("id", "=", id)
    .where("secret_id", "=", secretId)
    .executeTakeFirst();
  if (row !== undefined) return row;
  throw new AppError("ERR_NOT_FOUND", `There is no proposed value ${id} of this password.`, {
    subject: id,
    remedy: "Propose it anew.",
  });
}

export async function listProposals(db: Db, secretId: string, now: number): Promise<ProposalView[]> {
  const rows = await db
    .selectFrom("secret_proposals")
    .selectAll()
    .where("secret_id", "=", secretId)
    .orderBy("created_at", "desc")
    .orderBy("id", "desc")
    .limit(PROPOSALS_MAX)
    .execute();
  const views: ProposalView[] = [];
  for (const row of rows) views.push(await showProposal(db, row, now));
  return views;
}

export async function showProposal(db: Db, row: ProposalRow, now: number): Promise<ProposalView> {
  const places = (await placesOf(db, row.id)).map(({ view }) => view);
  return {
    id: row.id,
    secret: row.secret_id,
    state: isOver(row, now) ? "expired" : row.state,
    finished: places.every(({ state }) => state !== "waiting" && state !== "running"),
    passed: places.every(({ state }) => state === "succeeded"),
    places,
    createdAt: row.created_at,
    createdBy: row.created_by,
    expiresAt: row.expires_at,
    endedAt: row.ended_at,
  };
}

/** Whether its time is over, though nobody has ended it yet. */
export function isOver(row: ProposalRow, now: number): boolean {
  return row.state === "open" && row.expires_at <= now;
}

export interface TestedPlace {
  /** As it was when its test began. */
  readonly place: string;
  readonly view: ProposalPlace;
}

export async function placesOf(db: Db, proposalId: string): Promise<TestedPlace[]> {
  const rows = await db
    .selectFrom("secret_proposal_tests as test")
    .leftJoin("tasks as task", "task.id", "test.task_id")
    .selectAll("test")
    .select(["task.state as task_state", "task.error as task_error", "task.device_id"])
    .where("test.proposal_id", "=", proposalId)
    .orderBy("test.use_kind")
    .orderBy("test.use_name")
    .orderBy("test.use_id")
    .execute();
  return rows.map((row) => {
    const state = row.state === "task" ? stateOfTask(row.task_state) : row.state;
    const error = errorOf(state, row.state === "task" ? row.task_error : row.error);
    return {
      place: row.place,
      view: {
        kind: row.use_kind,
        id: row.use_id,
        name: row.use_name,
        state,
        ...(row.device_id === null ? {} : { device: row.device_id }),
        ...(row.task_id === null ? {} : { task: row.task_id }),
        ...(error === undefined ? {} : { error }),
      },
    };
  });
}

const STATES_OF_TASKS: Readonly<Record<TaskState, ProposalPlace["state"]>> = {
  queued: "waiting",
  running: "running",
  succeeded: "succeeded",
  warnings: "succeeded",
  failed: "failed",
  cancelled: "failed",
};

/** A task that is not known any more has tested nothing. */
function stateOfTask(state: TaskState | null): ProposalPlace["state"] {
  return state === null ? "untested" : STATES_OF_TASKS[state];
}

function errorOf(state: ProposalPlace["state"], text: string | null): ProposalPlace["error"] {
  if (text === null || (state !== "failed" && state !== "untested")) return undefined;
  return errorRecord.parse(JSON.parse(text));
}
