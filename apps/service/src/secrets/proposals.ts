/**
 * Proposed values of passwords: a new value is tested at every place where the password is used, before it replaces the old one.
 *
 * The value lies sealed in the vault until it is accepted, discarded, or its time is over; it is given to the tasks that test it
 * and to nobody else. There is one open proposal of a password at a time.
 *
 * @module
 */
import { AppError, newId } from "@holdfast/kernel";
import type {
  NewProposal,
  ProposalAcceptance,
  ProposalView,
  SecretUse,
  SecretView,
} from "@holdfast/protocol";
import { userActor } from "../audit/audit.ts";
import type { Transaction } from "../database/database.ts";
import { checkRevision } from "../http/conditions.ts";
import type { Actor } from "../http/route.ts";
import type { ProposalDependencies } from "./proposal-dependencies.ts";
import { dropOpenProposal, endProposal } from "./proposal-end.ts";
import { findProposal, isOver, type ProposalRow, placesOf, showProposal } from "./proposal-rows.ts";
import { beginTests, runServiceTest, type ServiceTestRun } from "./proposal-tests.ts";
import { proposalValue } from "./proposed-value.ts";
import { findSecret, nameSecret } from "./secret-rows.ts";
import { findUses } from "./secret-uses.ts";
import { checkNotTold, provenVersion, type SecretRow, typedValue } from "./secret-values.ts";
import { checkNotFrozen, storeValue } from "./value-change.ts";

/** For somebody who looks at the results, and perhaps has to go to a server in between. */
const PROPOSAL_MS = 30 * 60_000;

/**
 * @throws AppError `ERR_NOT_FOUND`, `ERR_SECRET_FROZEN` for an encryption key, `ERR_CONFIRMATION`, `ERR_USAGE`,
 * `ERR_VAULT_DAMAGED`.
 */
export async function proposeValue(
  dependencies: ProposalDependencies,
  actor: Actor,
  secretId: string,
  given: NewProposal,
): Promise<ProposalView> {
  const { database, vault, audit, clock, randomness, findUses: finders } = dependencies;
  const id = newId("prop", clock, randomness);
  const { view, runs } = await database.transaction(async (transaction) => {
    const row = await findSecret(transaction, secretId);
    checkNotFrozen(row);
    using value = typedValue("password", given.value, given.confirmation);
    checkNotTold(value, { name: row.name, description: row.description });
    const uses = await findUses(transaction, finders, secretId);
    await dropOpenProposal(dependencies, transaction, secretId);
    const proposal = await insertProposal(dependencies, transaction, actor, id, row);
    await vault.put(transaction, proposalValue(id), value.bytes);
    const begun = await beginTests(dependencies, transaction, proposal, uses);
    await audit.append(transaction, {
      actor: userActor(actor),
      action: "secret.propose",
      subject: { kind: row.kind, id: secretId },
      details: { name: row.name, proposal: id, places: uses.map((use) => `${use.kind} ${use.id}`) },
    });
    return { view: await showProposal(transaction, proposal, clock.now()), runs: begun };
  });
  await afterwards(dependencies, runs);
  return view;
}

async function insertProposal(
  { vault, clock }: Pick<ProposalDependencies, "vault" | "clock">,
  transaction: Transaction,
  actor: Actor,
  id: string,
  secret: SecretRow,
): Promise<ProposalRow> {
  const now = clock.now();
  const row = {
    id,
    secret_id: secret.id,
    base_version: await provenVersion(transaction, vault, secret),
    state: "open",
    created_at: now,
    created_by: actor.userId,
    expires_at: now + PROPOSAL_MS,
    ended_at: null,
  } as const;
  await transaction.insertInto("secret_proposals").values(row).execute();
  return row;
}

/** Tests again what did not succeed, and what is used since. @throws AppError `ERR_NOT_FOUND`, `ERR_CHANGED_MEANWHILE`. */
export async function testProposal(
  dependencies: ProposalDependencies,
  actor: Actor,
  secretId: string,
  id: string,
): Promise<ProposalView> {
  const { database, audit, clock, findUses: finders } = dependencies;
  const { view, runs } = await database.transaction(async (transaction) => {
    const secret = await findSecret(transaction, secretId);
    const proposal = await findOpen(dependencies, transaction, secretId, id);
    const uses = await findUses(transaction, finders, secretId);
    const begun = await beginTests(dependencies, transaction, proposal, uses);
    await audit.append(transaction, {
      actor: userActor(actor),
      action: "secret.proposal-test",
      subject: { kind: secret.kind, id: secretId },
      details: { name: secret.name, proposal: id },
    });
    return { view: await showProposal(transaction, proposal, clock.now()), runs: begun };
  });
  await afterwards(dependencies, runs);
  return view;
}

/**
 * Makes the proposed value the current one.
 *
 * @throws AppError `ERR_SECRET_TEST` naming the places that refused it or were not tested; `ERR_NOT_FOUND`,
 * `ERR_CHANGED_MEANWHILE`, `ERR_VAULT_DAMAGED`.
 */
export async function acceptProposal(
  dependencies: ProposalDependencies,
  actor: Actor,
  { secretId, id }: { readonly secretId: string; readonly id: string },
  { despiteTests }: ProposalAcceptance,
  ifMatch: number | undefined,
): Promise<SecretView> {
  const { database, vault } = dependencies;
  const view = await database.transaction(async (transaction) => {
    const row = await findSecret(transaction, secretId);
    checkRevision(row, ifMatch);
    const proposal = await findOpen(dependencies, transaction, secretId, id);
    if ((await provenVersion(transaction, vault, row)) !== proposal.base_version) throw valueChanged(id);
    const open = await notPassed(dependencies, transaction, proposal);
    if (open.length > 0 && !despiteTests) throw refusedByTests(row, open);
    using value = await vault.get(transaction, proposalValue(id));
    const stored = await storeValue(dependencies, transaction, actor, row, value.bytes, {
      proposal: id,
      despite: open.map(({ use, reason }) => `${use.kind} ${use.id}: ${reason}`),
    });
    await tellExposures(dependencies, transaction, id, secretId, stored.version);
    await endProposal(dependencies, transaction, proposal, "accepted");
    return stored;
  });
  await tellProcesses(dependencies);
  return view;
}

/** @throws AppError `ERR_NOT_FOUND`, `ERR_CHANGED_MEANWHILE` when it is not open any more. */
export async function discardProposal(
  dependencies: ProposalDependencies,
  actor: Actor,
  secretId: string,
  id: string,
): Promise<void> {
  const { database, audit } = dependencies;
  await database.transaction(async (transaction) => {
    const secret = await findSecret(transaction, secretId);
    const proposal = await findOpen(dependencies, transaction, secretId, id);
    await endProposal(dependencies, transaction, proposal, "discarded");
    await audit.append(transaction, {
      actor: userActor(actor),
      action: "secret.proposal-discard",
      subject: { kind: secret.kind, id: secretId },
      details: { name: secret.name, proposal: id },
    });
  });
  await tellProcesses(dependencies);
}

async function findOpen(
  { clock }: Pick<ProposalDependencies, "clock">,
  transaction: Transaction,
  secretId: string,
  id: string,
): Promise<ProposalRow> {
  const row = await findProposal(transaction, secretId, id);
  if (row.state === "open" && !isOver(row, clock.now())) return row;
  const how = row.state === "open" ? "expired" : row.state;
  throw new AppError("ERR_CHANGED_MEANWHILE", `The proposed value was ${how}.`, {
    subject: id,
    remedy: "Propose the value anew if it is still wanted.",
  });
}

interface NotPassed {
  readonly use: SecretUse;
  readonly reason: string;
}

/** Places of now that have not taken the value as they are now. */
async function notPassed(
  { findUses: finders, placeTests }: ProposalDependencies,
  transaction: Transaction,
  proposal: ProposalRow,
): Promise<NotPassed[]> {
  const tested = await placesOf(transaction, proposal.id);
  const open: NotPassed[] = [];
  for (const use of await findUses(transaction, finders, proposal.secret_id)) {
    const known = tested.find(({ view }) => view.kind === use.kind && view.id === use.id);
    const place = (await placeTests[use.kind]?.placeOf(transaction, use)) ?? "";
    if (known === undefined) open.push({ use, reason: "It uses the password since the tests began." });
    else if (known.place !== place) open.push({ use, reason: "It was changed after the test." });
    else if (known.view.state === "waiting" || known.view.state === "running") {
      open.push({ use, reason: "Its test has not ended." });
    } else if (known.view.state !== "succeeded") {
      open.push({ use, reason: known.view.error?.message ?? "It was not tested." });
    }
  }
  return open;
}

/** Devices that tested the value have had what is a version of the password now. */
async function tellExposures(
  { clock, randomness }: Pick<ProposalDependencies, "clock" | "randomness">,
  transaction: Transaction,
  proposalId: string,
  secretId: string,
  version: number,
): Promise<void> {
  const rows = await transaction
    .selectFrom("secret_exposures")
    .selectAll()
    .where("object_kind", "=", "proposal")
    .where("object_id", "=", proposalId)
    .execute();
  for (const row of rows) {
    await transaction
      .insertInto("secret_exposures")
      .values({
        ...row,
        id: newId("exp", clock, randomness),
        object_kind: "password",
        object_id: secretId,
        version,
      })
      .execute();
  }
}

async function afterwards(
  dependencies: ProposalDependencies,
  runs: readonly ServiceTestRun[],
): Promise<void> {
  await tellProcesses(dependencies);
  // The answer does not wait for them: they show in the proposal.
  for (const run of runs) {
    runServiceTest(dependencies, run).catch((error: unknown) => dependencies.failed?.(error));
  }
}

async function tellProcesses({ database }: Pick<ProposalDependencies, "database">): Promise<void> {
  await database.notify("tasks");
  await database.notify("live");
}

function valueChanged(id: string): AppError {
  return new AppError("ERR_CHANGED_MEANWHILE", "The password was given another value meanwhile.", {
    subject: id,
    remedy: "Propose the value anew if it is still wanted.",
  });
}

const REASONS_MAX = 10;

function refusedByTests(row: SecretRow, open: readonly NotPassed[]): AppError {
  const reasons = open
    .slice(0, REASONS_MAX)
    .map(({ use, reason }) => `the ${use.kind} ${use.name}: ${reason}`);
  const more = open.length > REASONS_MAX ? ` And ${String(open.length - REASONS_MAX)} more.` : "";
  return new AppError(
    "ERR_SECRET_TEST",
    `The new value of the ${nameSecret(row)} has not passed everywhere: ${reasons.join(" ")}${more}`,
    {
      subject: row.id,
      remedy:
        "The old value is still used. Test again, propose another value, or save it all the same (`despiteTests`).",
    },
  );
}
