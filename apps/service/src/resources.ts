/**
 * What every domain says of the things it keeps: that one is not there, or that its name is taken.
 *
 * @module
 */
import { AppError } from "@holdfast/kernel";
import type { Db } from "./database/database.ts";

/** The lists of the API, by what one thing in them is called. */
const LISTS = {
  channel: "channels",
  device: "devices",
  passkey: "passkeys",
  plan: "plans",
  provider: "providers of single sign-on",
  replication: "replications",
  repository: "repositories",
  rule: "rules",
  storage: "storages",
  token: "tokens",
  user: "users",
} as const;

type Kind = keyof typeof LISTS;

const NAMED_TABLES = {
  channel: "notification_channels",
  plan: "plans",
  provider: "identity_providers",
  replication: "replications",
  storage: "storages",
} as const satisfies Partial<Record<Kind, string>>;

/** The error `ERR_NOT_FOUND` of a thing that is not in its list. */
export function notListed(kind: Kind, id: string): AppError {
  return new AppError("ERR_NOT_FOUND", `There is no ${kind} ${id}.`, {
    subject: id,
    remedy: `Look in the list of ${LISTS[kind]}; it may have been removed.`,
  });
}

/**
 * @param id of the thing that is to have the name, which it may have already.
 * @throws AppError `ERR_NAME_TAKEN`.
 */
export async function checkNameFree(
  db: Db,
  kind: keyof typeof NAMED_TABLES,
  name: string,
  id: string,
): Promise<void> {
  const other = await db
    .selectFrom(NAMED_TABLES[kind])
    .select("id")
    .where("name", "=", name)
    .where("id", "!=", id)
    .executeTakeFirst();
  if (other !== undefined) throw nameTaken(kind, name);
}

/** The error `ERR_NAME_TAKEN`. */
export function nameTaken(kind: Kind, name: string): AppError {
  return new AppError("ERR_NAME_TAKEN", `There is a ${kind} called ${name} already.`, {
    subject: name,
    remedy: "Choose another name.",
  });
}
