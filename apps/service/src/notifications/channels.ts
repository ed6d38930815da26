/**
 * Channels: where notifications go, and with which secret of the Password Manager.
 *
 * @module
 */
import { timingSafeEqual } from "node:crypto";
import { sha256 } from "@holdfast/crypto";
import { AppError, type Clock, newId, type Randomness } from "@holdfast/kernel";
import type {
  ChannelChange,
  ChannelSettings,
  ChannelView,
  NewChannel,
  Page,
  PageQuery,
} from "@holdfast/protocol";
import { type AuditLog, userActor } from "../audit/audit.ts";
import type { Database, Db, Transaction } from "../database/database.ts";
import { checkRevision } from "../http/conditions.ts";
import { nextPage, startAfter } from "../http/paging.ts";
import type { Actor } from "../http/route.ts";
import { checkNameFree } from "../resources.ts";
import { checkStoredPassword } from "../secrets/secret-rows.ts";
import type { Vault } from "../secrets/vault.ts";
import { type ChannelRow, findChannel, settingsColumns, settingsOf, showChannel } from "./channel-rows.ts";
import { readSecret } from "./channel-secret.ts";

export interface ChannelDependencies {
  readonly database: Database;
  readonly vault: Vault;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly randomness: Randomness;
}

/** By name. */
export async function listChannels(db: Db, query: PageQuery): Promise<Page<ChannelView>> {
  let rows = db
    .selectFrom("notification_channels")
    .selectAll()
    .orderBy("name")
    .limit(query.limit + 1);
  const after = startAfter(query.cursor);
  if (after !== undefined) rows = rows.where("name", ">", after);
  const page = nextPage(await rows.execute(), query.limit, ({ name }) => name);
  const items: ChannelView[] = [];
  for (const row of page.items) items.push(await showChannel(db, row));
  return { ...page, items };
}

/** @throws AppError `ERR_USAGE`, `ERR_NAME_TAKEN`, `ERR_NOT_FOUND` for the secret. */
export async function createChannel(
  { database, audit, clock, randomness }: ChannelDependencies,
  actor: Actor,
  { name, enabled, settings }: NewChannel,
): Promise<ChannelView> {
  checkSettings(settings);
  const id = newId("chan", clock, randomness);
  return database.transaction(async (transaction) => {
    await checkNameFree(transaction, "channel", name, id);
    await checkSecret(transaction, settings.secret);
    const row: ChannelRow = {
      id,
      name,
      ...settingsColumns(settings),
      enabled: enabled ? 1 : 0,
      created_at: clock.now(),
      created_by: actor.userId,
      revision: 1,
    };
    await transaction.insertInto("notification_channels").values(row).execute();
    await audit.append(transaction, {
      actor: userActor(actor),
      action: "channel.create",
      subject: { kind: "channel", id },
      details: { name, kind: settings.kind, secret: settings.secret },
    });
    return showChannel(transaction, row);
  });
}

/** @throws AppError as {@link createChannel}, `ERR_CHANGED_MEANWHILE`, `ERR_CONFIRMATION`. */
export async function changeChannel(
  { database, vault, audit }: ChannelDependencies,
  actor: Actor,
  id: string,
  change: ChannelChange,
  ifMatch: number | undefined,
): Promise<ChannelView> {
  if (change.settings !== undefined) checkSettings(change.settings);
  return database.transaction(async (transaction) => {
    const row = await findChannel(transaction, id);
    checkRevision(row, ifMatch);
    if (change.name !== undefined) await checkNameFree(transaction, "channel", change.name, id);
    if (change.settings !== undefined) await checkChange(transaction, vault, row, change.settings, change);
    const changed: ChannelRow = {
      ...row,
      ...(change.settings === undefined ? {} : settingsColumns(change.settings)),
      name: change.name ?? row.name,
      enabled: change.enabled === undefined ? row.enabled : change.enabled ? 1 : 0,
      revision: row.revision + 1,
    };
    await transaction.updateTable("notification_channels").set(changed).where("id", "=", id).execute();
    await audit.append(transaction, {
      actor: userActor(actor),
      action: "channel.change",
      subject: { kind: "channel", id },
      details: { fields: Object.keys(change).filter((field) => field !== "confirmation") },
    });
    return showChannel(transaction, changed);
  });
}

/** With its rules and what waits for it. @throws AppError `ERR_NOT_FOUND`. */
export async function deleteChannel(
  { database, audit }: ChannelDependencies,
  actor: Actor,
  id: string,
): Promise<void> {
  await database.transaction(async (transaction) => {
    const { name } = await findChannel(transaction, id);
    await transaction.deleteFrom("notification_channels").where("id", "=", id).execute();
    await audit.append(transaction, {
      actor: userActor(actor),
      action: "channel.delete",
      subject: { kind: "channel", id },
      details: { name },
    });
  });
}

async function checkChange(
  db: Transaction,
  vault: Vault,
  row: ChannelRow,
  settings: ChannelSettings,
  { confirmation = "" }: ChannelChange,
): Promise<void> {
  if (settings.kind !== row.kind) throw unusable("settings.kind", "a channel stays of its kind");
  await checkSecret(db, settings.secret);
  const { secret_id: kept } = row;
  if (kept === null || settings.secret !== kept || recipientOf(settings) === recipientOf(settingsOf(row)))
    return;
  using value = await readSecret(db, vault, kept);
  if (timingSafeEqual(sha256(Buffer.from(confirmation.normalize("NFC"), "utf8")), sha256(value.bytes)))
    return;
  throw new AppError("ERR_CONFIRMATION", `The channel ${row.name} is to sign in at another server.`, {
    subject: "confirmation",
    remedy:
      "Type the password again, or choose another one: a stored one is not sent to a new place unasked.",
  });
}

/** Who learns the secret; the key of a signature is sent to nobody, and the address of a chat is the secret. */
export function recipientOf(settings: ChannelSettings): string {
  if (settings.kind !== "mail") return "";
  return JSON.stringify([settings.host, settings.port, settings.encryption, settings.user]);
}

function checkSettings(settings: ChannelSettings): void {
  if (settings.kind === "mail" && (settings.user === null) !== (settings.secret === null)) {
    throw unusable("settings.secret", "a user needs a password, and a password a user");
  }
  if (settings.kind !== "webhook") return;
  const { username, password, hash } = new URL(settings.url);
  if (username !== "" || password !== "") throw unusable("settings.url", "it has a user or password in it");
  if (hash !== "") throw unusable("settings.url", "it has a part behind #, which is not sent");
}

function unusable(subject: string, reason: string): AppError {
  return new AppError("ERR_USAGE", `The settings of the channel cannot be used: ${reason}.`, {
    subject,
    remedy: "Correct it. Passwords belong in the Password Manager.",
  });
}

async function checkSecret(db: Db, id: string | null): Promise<void> {
  if (id === null) return;
  await checkStoredPassword(db, id, "Add it there first, as a password.");
}
