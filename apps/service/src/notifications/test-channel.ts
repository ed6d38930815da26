// A message to try a channel with, sent there and then.
import { type Clock, newId } from "@holdfast/kernel";
import { type AuditLog, userActor } from "../audit/audit.ts";
import type { Database } from "../database/database.ts";
import type { Actor } from "../http/route.ts";
import { findChannel } from "./channel-rows.ts";
import { type SendDependencies, sendMessage } from "./send.ts";
import { readSettings } from "./settings.ts";

export interface ChannelTestDependencies extends SendDependencies {
  readonly database: Database;
  readonly audit: AuditLog;
  readonly clock: Clock;
}

/**
 * @returns what is to be noted though it was sent.
 * @throws AppError why it was not sent.
 */
export async function testChannel(
  dependencies: ChannelTestDependencies,
  actor: Actor,
  id: string,
): Promise<string | undefined> {
  const { database, audit, clock } = dependencies;
  const channel = await findChannel(database.db, id);
  // Before it is tried: a test is a call to a place of somebody's choice.
  await database.transaction((transaction) =>
    audit.append(transaction, {
      actor: userActor(actor),
      action: "channel.test",
      subject: { kind: "channel", id },
    }),
  );
  const { publicUrl } = await readSettings(database.db);
  return sendMessage(dependencies, database.db, channel, {
    id: newId("note", clock),
    kind: "test",
    at: clock.now(),
    details: { facts: [["Sent by", actor.name]] },
    publicUrl: publicUrl?.replace(/\/+$/u, "") ?? null,
  });
}
