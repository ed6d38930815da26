/**
 * The browser is back from a provider: signs in, links an account, or confirms who sits there.
 *
 * @module
 */
import { AppError, isAppError } from "@holdfast/kernel";
import type { SingleSignOnResult } from "@holdfast/protocol";
import type { Transaction } from "../../database/database.ts";
import { isOfDatabase } from "../../database/failures.ts";
import { beginAttempt } from "../attempts.ts";
import { openSession } from "../session-start.ts";
import { userOfSession, type Visitor } from "../sessions.ts";
import type { UserRow } from "../user-rows.ts";
import { clientOf } from "./client.ts";
import type { SingleSignOnDependencies } from "./dependencies.ts";
import { type FlowRow, takeFlow } from "./flows.ts";
import { linkIdentity, userOfIdentity } from "./identities.ts";
import { type Person, personOf } from "./person.ts";
import { findEnabledProvider, type ProviderRow } from "./provider-rows.ts";
import { endSessionsOfUngrouped, userOfPerson } from "./sign-in-by-provider.ts";

export interface Returned {
  readonly result: SingleSignOnResult;
  /** Of the session that began. */
  readonly token?: string;
}

/**
 * @param query of the address that the browser came back to.
 * @param browserToken from the cookie that the start has set.
 * @throws AppError `ERR_CONFIRMATION`, `ERR_SIGN_IN_FAILED`, `ERR_FORBIDDEN`, `ERR_NAME_TAKEN`, `ERR_NOT_FOUND`, `ERR_SECRET_DISABLED`,
 * `ERR_OUTBOUND_FAILED`, `ERR_OUTBOUND_REFUSED`, `ERR_TOO_MANY_ATTEMPTS`.
 */
export async function finishFlow(
  dependencies: SingleSignOnDependencies,
  query: string,
  browserToken: string | undefined,
  visitor: Visitor,
): Promise<Returned> {
  // By address alone: there is no name that somebody could be locked out by.
  const attempt = await beginAttempt(dependencies, "", visitor.address, true);
  const { row: flow, ...checks } = await takeFlow(dependencies, query, browserToken);
  const provider = await findEnabledProvider(dependencies.database.db, flow.provider_id);
  const elapsedSeconds = Math.ceil((dependencies.clock.now() - flow.created_at) / 1000);
  try {
    const claims = await dependencies.issuers.redeem(await clientOf(dependencies, provider), {
      ...checks,
      query,
      maxAgeSeconds: flow.purpose === "confirm" ? elapsedSeconds : undefined,
    });
    const returned = await PURPOSES[flow.purpose](dependencies, {
      flow,
      provider,
      person: personOf(provider, claims),
      visitor,
    });
    await attempt.succeeded();
    return returned;
  } catch (error) {
    if (isAppError(error) && !isOfDatabase(error))
      await recordRefusal(dependencies, provider, visitor, error);
    throw error;
  }
}

interface Arrival {
  readonly flow: FlowRow;
  readonly provider: ProviderRow;
  readonly person: Person;
  readonly visitor: Visitor;
}

type Purpose = (dependencies: SingleSignOnDependencies, arrival: Arrival) => Promise<Returned>;

const PURPOSES: Readonly<Record<FlowRow["purpose"], Purpose>> = {
  "sign-in": signIn,
  link,
  confirm,
};

async function signIn(
  dependencies: SingleSignOnDependencies,
  { provider, person, visitor }: Arrival,
): Promise<Returned> {
  let user: UserRow;
  try {
    user = await dependencies.database.transaction((transaction) =>
      userOfPerson(dependencies, transaction, provider, person),
    );
  } catch (error) {
    if (isAppError(error, "ERR_FORBIDDEN")) await endSessionsOfUngrouped(dependencies, provider, person);
    throw error;
  }
  const { token, session } = await openSession(dependencies, user, visitor, { method: "single-sign-on" });
  return { token, result: { purpose: "sign-in", session } };
}

async function link(
  dependencies: SingleSignOnDependencies,
  { flow, provider, person }: Arrival,
): Promise<Returned> {
  await dependencies.database.transaction(async (transaction) => {
    const user = await whoBegan(dependencies, transaction, flow);
    await linkIdentity(dependencies, transaction, provider, person, user);
  });
  return { result: { purpose: "link" } };
}

async function confirm(
  dependencies: SingleSignOnDependencies,
  { flow, provider, person }: Arrival,
): Promise<Returned> {
  const { database, clock, audit } = dependencies;
  await database.transaction(async (transaction) => {
    const user = await whoBegan(dependencies, transaction, flow);
    const there = await userOfIdentity(transaction, provider, person);
    if (there?.id !== user.id) {
      throw new AppError(
        "ERR_FORBIDDEN",
        `The account ${person.label} of ${provider.name} is not yours here.`,
        {
          subject: provider.id,
          remedy: "Sign in there with the account that you sign in here with.",
        },
      );
    }
    await transaction
      .updateTable("sessions")
      .set({ confirmed_at: clock.now() })
      .where("id", "=", flow.session_id ?? "")
      .execute();
    await audit.append(transaction, {
      actor: { kind: "user", id: user.id },
      action: "session.confirm",
      subject: { kind: "user", id: user.id },
      details: { provider: provider.id },
    });
  });
  return { result: { purpose: "confirm" } };
}

/** Has to be signed in still, with the same session. */
async function whoBegan(
  { clock }: SingleSignOnDependencies,
  transaction: Transaction,
  { session_id: id }: FlowRow,
): Promise<UserRow> {
  const user = id === null ? undefined : await userOfSession(transaction, id, clock.now());
  if (user !== undefined) return user;
  throw new AppError("ERR_SIGN_IN_NEEDED", "You were signed out meanwhile.", {
    remedy: "Sign in, and begin again.",
  });
}

async function recordRefusal(
  { database, audit }: SingleSignOnDependencies,
  provider: ProviderRow,
  { address }: Visitor,
  { code, message }: AppError,
): Promise<void> {
  await database.transaction((transaction) =>
    audit.append(transaction, {
      actor: { kind: "service", id: "" },
      action: "session.refuse",
      subject: { kind: "identity-provider", id: provider.id },
      details: { address, code, reason: message.slice(0, 400) },
    }),
  );
}
