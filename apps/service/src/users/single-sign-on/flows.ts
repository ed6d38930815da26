/**
 * A browser that was sent to a provider and is expected back: within ten minutes, once, with the cookie that it was given.
 *
 * The database has hashes of the state and of the cookie's token. Nonce and PKCE verifier follow from both, so that they lie nowhere.
 *
 * @module
 */
import { createHmac } from "node:crypto";
import { AppError } from "@holdfast/kernel";
import type { Selectable } from "kysely";
import type { SignInFlowsTable } from "../../database/tables.ts";
import { newToken, tokenHash } from "../tokens.ts";
import { clientOf } from "./client.ts";
import type { SingleSignOnDependencies } from "./dependencies.ts";
import type { FlowChecks } from "./issuer.ts";
import { type ProviderRow, redirectUriOf } from "./provider-rows.ts";

export type FlowRow = Selectable<SignInFlowsTable>;

const FLOW_MS = 10 * 60_000;

export interface Flow {
  readonly provider: ProviderRow;
  readonly purpose: FlowRow["purpose"];
  /** Of who links or confirms. */
  readonly sessionId: string | null;
  readonly host: string;
}

/** @returns where the browser goes, and the token for its cookie. @throws AppError as `Issuers.authorizationUrl`, `clientOf`. */
export async function startFlow(
  dependencies: SingleSignOnDependencies,
  { provider, purpose, sessionId, host }: Flow,
): Promise<{ readonly url: string; readonly browserToken: string }> {
  const { database, clock, randomness, issuers } = dependencies;
  const browserToken = newToken(randomness);
  const state = newToken(randomness);
  const checks = checksOf(browserToken, state, redirectUriOf(host));
  const url = await issuers.authorizationUrl(
    await clientOf(dependencies, provider),
    checks,
    purpose === "confirm",
  );
  const now = clock.now();
  await database.transaction(async (transaction) => {
    await transaction.deleteFrom("sign_in_flows").where("expires_at", "<=", now).execute();
    await transaction
      .insertInto("sign_in_flows")
      .values({
        state_hash: tokenHash(state),
        browser_hash: tokenHash(browserToken),
        provider_id: provider.id,
        purpose,
        session_id: sessionId,
        redirect_uri: checks.redirectUri,
        created_at: now,
        expires_at: now + FLOW_MS,
      })
      .execute();
  });
  return { url, browserToken };
}

/** Takes the flow out of use, whatever comes of it. @throws AppError `ERR_CONFIRMATION`. */
export async function takeFlow(
  { database, clock }: Pick<SingleSignOnDependencies, "database" | "clock">,
  query: string,
  browserToken: string | undefined,
): Promise<FlowChecks & { readonly row: FlowRow }> {
  const [state, ...others] = new URLSearchParams(query).getAll("state");
  const row =
    state === undefined || others.length > 0 || browserToken === undefined
      ? undefined
      : await database.transaction(async (transaction) => {
          const mine = transaction
            .selectFrom("sign_in_flows")
            .selectAll()
            .where("state_hash", "=", tokenHash(state))
            .where("browser_hash", "=", tokenHash(browserToken));
          const found = await mine.executeTakeFirst();
          if (found === undefined) return undefined;
          const { numDeletedRows } = await transaction
            .deleteFrom("sign_in_flows")
            .where("state_hash", "=", found.state_hash)
            .executeTakeFirstOrThrow();
          return numDeletedRows === 1n ? found : undefined;
        });
  if (
    row === undefined ||
    state === undefined ||
    browserToken === undefined ||
    row.expires_at <= clock.now()
  ) {
    throw new AppError(
      "ERR_CONFIRMATION",
      "This sign-in took too long, was done already, or began elsewhere.",
      {
        remedy: "Begin again, in this browser.",
      },
    );
  }
  return { row, ...checksOf(browserToken, state, row.redirect_uri) };
}

function checksOf(browserToken: string, state: string, redirectUri: string): FlowChecks {
  const derived = (what: string): string =>
    createHmac("sha256", browserToken).update(`holdfast/single-sign-on/${what}/${state}`).digest("base64url");
  return { redirectUri, state, nonce: derived("nonce"), verifier: derived("verifier") };
}
