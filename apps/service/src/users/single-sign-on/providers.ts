/**
 * What may be done with providers of single sign-on.
 *
 * @module
 */
import { AppError, isAppError, newId } from "@holdfast/kernel";
import type {
  IdentityProviderChange,
  IdentityProviderTest,
  IdentityProviderView,
  NewIdentityProvider,
} from "@holdfast/protocol";
import { type AuditEntry, userActor } from "../../audit/audit.ts";
import type { Db, Transaction } from "../../database/database.ts";
import { checkRevision } from "../../http/conditions.ts";
import type { Actor } from "../../http/route.ts";
import { checkNameFree } from "../../resources.ts";
import { checkStoredPassword } from "../../secrets/secret-rows.ts";
import { hasAdministrator } from "../ways-in.ts";
import { clientOf } from "./client.ts";
import type { SingleSignOnDependencies } from "./dependencies.ts";
import { checkIssuer, type Inspection } from "./issuer.ts";
import { findProvider, type ProviderRow, redirectUriOf, showProvider } from "./provider-rows.ts";

/** @throws AppError `ERR_USAGE`, `ERR_NAME_TAKEN`, `ERR_NOT_FOUND` for a secret, `ERR_FORBIDDEN`. */
export async function createProvider(
  { database, audit, clock, randomness }: SingleSignOnDependencies,
  actor: Actor,
  given: NewIdentityProvider,
  host: string,
): Promise<IdentityProviderView> {
  checkIssuer(given.issuer);
  const id = newId("idp", clock, randomness);
  return database.transaction(async (transaction) => {
    await checkNameFree(transaction, "provider", given.name, id);
    await checkSecret(transaction, actor, given.secret);
    await transaction
      .insertInto("identity_providers")
      .values({
        id,
        issuer: given.issuer,
        created_at: clock.now(),
        created_by: actor.userId,
        revision: 1,
        ...columnsOf(given),
      })
      .execute();
    await audit.append(transaction, {
      actor: userActor(actor),
      action: "identity-provider.create",
      subject: { kind: "identity-provider", id },
      details: detailsOf({ ...given, issuer: given.issuer }),
    });
    return showProvider(transaction, await findProvider(transaction, id), host);
  });
}

/** @throws AppError as {@link createProvider}, `ERR_CHANGED_MEANWHILE`, `ERR_LAST_ADMINISTRATOR`. */
export async function changeProvider(
  { database, audit }: SingleSignOnDependencies,
  actor: Actor,
  id: string,
  change: IdentityProviderChange,
  { ifMatch, host }: { readonly ifMatch: number | undefined; readonly host: string },
): Promise<IdentityProviderView> {
  return database.transaction(async (transaction) => {
    const row = await findProvider(transaction, id);
    checkRevision(row, ifMatch);
    if (change.name !== undefined) await checkNameFree(transaction, "provider", change.name, id);
    if (change.secret !== undefined && change.secret !== row.secret_id) {
      await checkSecret(transaction, actor, change.secret);
    }
    const before = await showProvider(transaction, row, host);
    await transaction
      .updateTable("identity_providers")
      .set({ ...columnsOf({ ...before, ...definedOf(change) }), revision: row.revision + 1 })
      .where("id", "=", id)
      .execute();
    await keepAnAdministrator(transaction, row);
    await audit.append(transaction, {
      actor: userActor(actor),
      action: "identity-provider.change",
      subject: { kind: "identity-provider", id },
      details: detailsOf(definedOf(change)),
    });
    return showProvider(transaction, await findProvider(transaction, id), host);
  });
}

/** @throws AppError `ERR_NOT_FOUND`, `ERR_IN_USE` while somebody has no other way to sign in. */
export async function deleteProvider(
  { database, audit }: SingleSignOnDependencies,
  actor: Actor,
  id: string,
): Promise<void> {
  await database.transaction(async (transaction) => {
    const row = await findProvider(transaction, id);
    await refuseOnlyWay(transaction, row);
    await transaction.deleteFrom("identity_providers").where("id", "=", id).execute();
    await audit.append(transaction, {
      actor: userActor(actor),
      action: "identity-provider.delete",
      subject: { kind: "identity-provider", id },
      details: { name: row.name, issuer: row.issuer },
    });
  });
}

/** Asks the issuer now, and says in plain words what would not work. */
export async function testProvider(
  dependencies: SingleSignOnDependencies,
  id: string,
  host: string,
): Promise<IdentityProviderTest> {
  const { database, issuers } = dependencies;
  const row = await findProvider(database.db, id);
  try {
    const who = await clientOf(dependencies, row);
    const inspection = await issuers.inspect(who, redirectUriOf(host));
    const problems = [...problemsOf(inspection, row, who.scopes)];
    const { authorization_endpoint, token_endpoint, userinfo_endpoint } = inspection.metadata;
    return {
      ok: problems.length === 0,
      problems,
      signingKeys: inspection.signingKeyCount,
      ...(authorization_endpoint === undefined ? {} : { authorizationEndpoint: authorization_endpoint }),
      ...(token_endpoint === undefined ? {} : { tokenEndpoint: token_endpoint }),
      ...(userinfo_endpoint === undefined ? {} : { userinfoEndpoint: userinfo_endpoint }),
    };
  } catch (error) {
    if (!isAppError(error)) throw error;
    return { ok: false, problems: [[error.message, error.remedy ?? ""].join(" ").trim()] };
  }
}

function* problemsOf(
  { metadata, signingKeyCount, clientRefusal }: Inspection,
  row: ProviderRow,
  scopes: readonly string[],
): Generator<string> {
  if (clientRefusal !== undefined) {
    yield `The provider refuses this client (${clientRefusal}): check client id and secret, and whether redirectUri is registered.`;
  }
  if (metadata.authorization_endpoint === undefined) yield "The provider names no page to sign in.";
  if (metadata.token_endpoint === undefined) yield "The provider names no token endpoint.";
  if (signingKeyCount === 0) yield "The provider shows no keys to verify its ID tokens with.";
  if (metadata.code_challenge_methods_supported?.includes("S256") !== true) {
    yield "The provider does not say that it checks PKCE (S256); it is sent nevertheless.";
  }
  const missing = scopes.filter((scope) => metadata.scopes_supported?.includes(scope) === false);
  if (missing.length > 0) yield `The provider does not list these scopes: ${missing.join(", ")}.`;
  const claim = row.groups_claim;
  if (claim !== null && metadata.claims_supported?.includes(claim) === false) {
    yield `The provider does not list the claim ${claim}, which is to have the groups.`;
  }
}

type Columns = Pick<
  NewIdentityProvider,
  | "name"
  | "clientId"
  | "secret"
  | "scopes"
  | "groupsClaim"
  | "roleMapping"
  | "defaultRole"
  | "createsUsers"
  | "emailDomains"
  | "enabled"
>;

function columnsOf(
  given: Columns,
): Omit<ProviderRow, "id" | "issuer" | "created_at" | "created_by" | "revision"> {
  return {
    name: given.name,
    client_id: given.clientId,
    secret_id: given.secret,
    scopes: JSON.stringify([...new Set(["openid", ...given.scopes])]),
    groups_claim: given.groupsClaim,
    role_mapping: JSON.stringify(given.roleMapping),
    default_role: given.defaultRole,
    creates_users: given.createsUsers ? 1 : 0,
    email_domains: JSON.stringify([...new Set(given.emailDomains)]),
    enabled: given.enabled ? 1 : 0,
  };
}

function detailsOf({
  roleMapping,
  ...rest
}: Partial<Columns> & { readonly issuer?: string }): NonNullable<AuditEntry["details"]> {
  const mapping = roleMapping?.map(({ group, role }) => `${group}: ${role}`);
  return { ...rest, ...(mapping === undefined ? {} : { roleMapping: mapping }) };
}

/** Without the fields that are there as undefined. */
function definedOf(change: IdentityProviderChange): Partial<Columns> {
  return Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
}

/** The secret is sent to whom the administrator names: it takes the right to use secrets. */
async function checkSecret(db: Db, actor: Actor, id: string | null): Promise<void> {
  if (id === null) return;
  if (!actor.rights.has("secrets.use")) {
    throw new AppError("ERR_FORBIDDEN", "Choosing a client secret needs the right secrets.use.", {
      subject: "secrets.use",
      remedy: "Ask an administrator for it.",
    });
  }
  await checkStoredPassword(db, id, "Add the client secret there first, as a password.");
}

async function keepAnAdministrator(transaction: Transaction, { id, name }: ProviderRow): Promise<void> {
  if (await hasAdministrator(transaction)) return;
  throw new AppError("ERR_LAST_ADMINISTRATOR", `All administrators sign in by ${name} alone.`, {
    subject: id,
    remedy: "Give one of them a password or a passkey first.",
  });
}

async function refuseOnlyWay(db: Transaction, { id, name }: ProviderRow): Promise<void> {
  const rows = await db
    .selectFrom("identities")
    .innerJoin("users", "users.id", "identities.user_id")
    .select("users.name")
    .where("provider_id", "=", id)
    .where("users.password", "=", "")
    .where("users.disabled", "=", 0)
    .orderBy("users.name")
    .execute();
  if (rows.length === 0) return;
  const named = rows.slice(0, 5).map((row) => row.name);
  const more = rows.length > named.length ? ` and ${String(rows.length - named.length)} more` : "";
  throw new AppError("ERR_IN_USE", `${named.join(", ")}${more} sign in by ${name} and have no password.`, {
    subject: id,
    remedy: "Invite or disable them first; or only switch the provider off.",
  });
}
