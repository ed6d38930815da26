// Queries of providers of single sign-on.
import { AppError } from "@holdfast/kernel";
import { type IdentityProviderView, type Page, type PageQuery, role } from "@holdfast/protocol";
import type { Selectable } from "kysely";
import { z } from "zod";
import type { Db } from "../../database/database.ts";
import type { IdentityProvidersTable } from "../../database/tables.ts";
import { nextPage, startAfter } from "../../http/paging.ts";
import { notListed } from "../../resources.ts";
import type { Role } from "../rights.ts";

export type ProviderRow = Selectable<IdentityProvidersTable>;

/** Page of the console to which browsers come back. */
const CALLBACK_PAGE = "/sign-in/single-sign-on";

const texts = z.array(z.string());
const pairs = z.array(z.object({ group: z.string(), role }));

/** @throws AppError `ERR_NOT_FOUND`. */
export async function findProvider(db: Db, id: string): Promise<ProviderRow> {
  const row = await db.selectFrom("identity_providers").selectAll().where("id", "=", id).executeTakeFirst();
  if (row !== undefined) return row;
  throw notListed("provider", id);
}

/** @throws AppError `ERR_NOT_FOUND` also for one that is switched off. */
export async function findEnabledProvider(db: Db, id: string): Promise<ProviderRow> {
  const row = await findProvider(db, id);
  if (row.enabled === 1) return row;
  throw new AppError("ERR_NOT_FOUND", `Single sign-on by ${row.name} is switched off.`, {
    subject: id,
    remedy: "Sign in another way, or ask an administrator.",
  });
}

/** By name. */
export async function listProviders(
  db: Db,
  { limit, cursor }: PageQuery,
  host: string,
): Promise<Page<IdentityProviderView>> {
  const after = startAfter(cursor);
  const rows = await db
    .selectFrom("identity_providers")
    .selectAll()
    .$if(after !== undefined, (query) => query.where("name", ">", after ?? ""))
    .orderBy("name")
    .limit(limit + 1)
    .execute();
  const { items, next } = nextPage(rows, limit, ({ name }) => name);
  const views: IdentityProviderView[] = [];
  for (const row of items) views.push(await showProvider(db, row, host));
  return { items: views, ...(next === undefined ? {} : { next }) };
}

export async function showProvider(db: Db, row: ProviderRow, host: string): Promise<IdentityProviderView> {
  const { users } = await db
    .selectFrom("identities")
    .select(({ fn }) => fn.countAll<number>().as("users"))
    .where("provider_id", "=", row.id)
    .executeTakeFirstOrThrow();
  return {
    id: row.id,
    name: row.name,
    issuer: row.issuer,
    clientId: row.client_id,
    secret: row.secret_id,
    scopes: scopesOf(row),
    groupsClaim: row.groups_claim,
    roleMapping: roleMappingOf(row),
    defaultRole: row.default_role,
    createsUsers: row.creates_users === 1,
    emailDomains: emailDomainsOf(row),
    enabled: row.enabled === 1,
    redirectUri: redirectUriOf(host),
    users,
    createdAt: row.created_at,
    revision: row.revision,
  };
}

/** @param host `HOST` or `HOST:PORT` under which the browser knows the service. */
export function redirectUriOf(host: string): string {
  const url = URL.parse(`https://${host}${CALLBACK_PAGE}`);
  if (host !== "" && url !== null && url.pathname === CALLBACK_PAGE) return url.href;
  throw new AppError("ERR_INPUT", "The request names no host.", { subject: "Host" });
}

export function scopesOf({ scopes }: Pick<ProviderRow, "scopes">): string[] {
  return texts.parse(JSON.parse(scopes));
}

export function emailDomainsOf({ email_domains: domains }: Pick<ProviderRow, "email_domains">): string[] {
  return texts.parse(JSON.parse(domains));
}

export function roleMappingOf({
  role_mapping: mapping,
}: Pick<ProviderRow, "role_mapping">): { group: string; role: Role }[] {
  return pairs.parse(JSON.parse(mapping));
}
