/**
 * Tests of a proposed value, one at each place where the password is used.
 *
 * @module
 */
import { AppError, type ErrorRecord, isAppError, toErrorRecord } from "@holdfast/kernel";
import type { SecretUse } from "@holdfast/protocol";
import type { Transaction } from "../database/database.ts";
import type { PlaceTest } from "./place-tests.ts";
import type { ProposalDependencies } from "./proposal-dependencies.ts";
import { type ProposalRow, placesOf, type TestedPlace } from "./proposal-rows.ts";
import { proposalValue } from "./proposed-value.ts";
import { isOfDatabase } from "../database/failures.ts";

/** What the service itself has to do after the transaction. */
export interface ServiceTestRun {
  readonly use: SecretUse;
  readonly proposal: ProposalRow;
}

/** Begins the tests that are missing: of places that are new or have changed, and of those that did not succeed. */
export async function beginTests(
  dependencies: ProposalDependencies,
  transaction: Transaction,
  proposal: ProposalRow,
  uses: readonly SecretUse[],
): Promise<ServiceTestRun[]> {
  const before = await placesOf(transaction, proposal.id);
  const runs: ServiceTestRun[] = [];
  for (const use of uses) {
    const test = dependencies.placeTests[use.kind];
    const place = test === undefined ? "" : await test.placeOf(transaction, use);
    if (isStillGood(before, use, place, test)) continue;
    await beginTest(dependencies, transaction, proposal, use, test, place);
    if (test?.by === "service") runs.push({ use, proposal });
  }
  return runs;
}

function isStillGood(
  before: readonly TestedPlace[],
  use: SecretUse,
  place: string,
  test: PlaceTest | undefined,
): boolean {
  const known = before.find(({ view }) => view.kind === use.kind && view.id === use.id);
  if (known === undefined || known.place !== place) return false;
  // Of one by the service itself the result may have been lost, with its process or the database.
  if (test?.by === "service" && known.view.state === "running") return false;
  return known.view.state !== "failed" && known.view.state !== "untested";
}

async function beginTest(
  { queue }: Pick<ProposalDependencies, "queue">,
  transaction: Transaction,
  proposal: ProposalRow,
  use: SecretUse,
  test: PlaceTest | undefined,
  place: string,
): Promise<void> {
  const old = transaction
    .selectFrom("secret_proposal_tests")
    .innerJoin("tasks", "tasks.id", "secret_proposal_tests.task_id")
    .select("tasks.id")
    .where("proposal_id", "=", proposal.id)
    .where("use_kind", "=", use.kind)
    .where("use_id", "=", use.id)
    .where("tasks.state", "in", ["queued", "running"]);
  for (const { id } of await old.execute()) await queue.requestCancel(transaction, id, "It is tested anew.");
  const { taskId = null, state, error } = await startTest(transaction, proposal, use, test);
  const values = {
    use_name: use.name,
    place,
    task_id: taskId,
    state,
    error: error === undefined ? null : JSON.stringify(error),
  };
  await transaction
    .insertInto("secret_proposal_tests")
    .values({ proposal_id: proposal.id, use_kind: use.kind, use_id: use.id, ...values })
    .onConflict((conflict) => conflict.columns(["proposal_id", "use_kind", "use_id"]).doUpdateSet(values))
    .execute();
}

interface StartedTest {
  readonly taskId?: string;
  readonly state: "task" | "running" | "untested";
  readonly error?: ErrorRecord;
}

async function startTest(
  transaction: Transaction,
  proposal: ProposalRow,
  use: SecretUse,
  test: PlaceTest | undefined,
): Promise<StartedTest> {
  if (test === undefined) return { state: "untested", error: toErrorRecord(untestable(use)) };
  if (test.by === "service") return { state: "running" };
  try {
    const wanted = { use, proposalId: proposal.id, createdBy: proposal.created_by };
    return { state: "task", taskId: await test.start(transaction, wanted) };
  } catch (error) {
    if (!isAppError(error) || isOfDatabase(error)) throw error;
    return { state: "untested", error: toErrorRecord(error) };
  }
}

function untestable(use: SecretUse): AppError {
  return new AppError("ERR_UNSUPPORTED", `A password of the ${use.kind} ${use.name} cannot be tested.`, {
    subject: use.id,
    remedy: "Check it there yourself, and save the value all the same.",
  });
}

/** Tries the value where the service itself signs in, and writes down what came of it. */
export async function runServiceTest(
  { database, vault, placeTests }: ProposalDependencies,
  { use, proposal }: ServiceTestRun,
): Promise<void> {
  const test = placeTests[use.kind];
  if (test?.by !== "service") return;
  const error = await tryOut(async () => {
    using value = await vault.get(database.db, proposalValue(proposal.id));
    await test.run(use, proposal.secret_id, value.bytes);
  });
  await database.db
    .updateTable("secret_proposal_tests")
    .set(
      error === undefined
        ? { state: "succeeded", error: null }
        : { state: "failed", error: JSON.stringify(error) },
    )
    .where("proposal_id", "=", proposal.id)
    .where("use_kind", "=", use.kind)
    .where("use_id", "=", use.id)
    .where("state", "=", "running")
    .execute();
  await database.notify("live");
}

async function tryOut(work: () => Promise<void>): Promise<ErrorRecord | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    if (isAppError(error)) return toErrorRecord(error);
    // Not its message: nobody knows what a library writes there.
    return toErrorRecord(
      new AppError("ERR_FAILED", "The test failed for a reason that nobody foresaw.", {
        remedy: "Look in the log of the service.",
      }),
    );
  }
}
