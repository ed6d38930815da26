// Rules: which channel is told of what.
import { type Clock, newId, type Randomness } from "@holdfast/kernel";
import type {
  NewNotificationRule,
  NotificationRuleChange,
  NotificationRuleQuery,
  NotificationRuleView,
  Page,
} from "@holdfast/protocol";
import type { Selectable } from "kysely";
import { type AuditLog, userActor } from "../audit/audit.ts";
import type { Database, Db } from "../database/database.ts";
import type { NotificationRulesTable } from "../database/tables.ts";
import { checkRevision } from "../http/conditions.ts";
import { nextPage, startAfter } from "../http/paging.ts";
import type { Actor } from "../http/route.ts";
import { findPlan } from "../plans/plan-rows.ts";
import { notListed } from "../resources.ts";
import { findChannel } from "./channel-rows.ts";
import { kindsOf } from "./events.ts";

export interface RuleDependencies {
  readonly database: Database;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly randomness: Randomness;
}

type RuleRow = Selectable<NotificationRulesTable>;

/** The oldest first. */
export async function listRules(db: Db, query: NotificationRuleQuery): Promise<Page<NotificationRuleView>> {
  let rows = db
    .selectFrom("notification_rules")
    .selectAll()
    .orderBy("id")
    .limit(query.limit + 1);
  const after = startAfter(query.cursor);
  if (after !== undefined) rows = rows.where("id", ">", after);
  if (query.channel !== undefined) rows = rows.where("channel_id", "=", query.channel);
  if (query.plan !== undefined) rows = rows.where("plan_id", "=", query.plan);
  const page = nextPage(await rows.execute(), query.limit, ({ id }) => id);
  const items: NotificationRuleView[] = [];
  for (const row of page.items) items.push(await showRule(db, row));
  return { ...page, items };
}

/** @throws AppError `ERR_NOT_FOUND` for the channel or the plan. */
export async function createRule(
  { database, audit, clock, randomness }: RuleDependencies,
  actor: Actor,
  { channel, plan, kinds }: NewNotificationRule,
): Promise<NotificationRuleView> {
  return database.transaction(async (transaction) => {
    await findChannel(transaction, channel);
    if (plan !== null) await findPlan(transaction, plan);
    const row: RuleRow = {
      id: newId("rule", clock, randomness),
      channel_id: channel,
      plan_id: plan,
      kinds: JSON.stringify([...new Set(kinds)]),
      created_at: clock.now(),
      created_by: actor.userId,
      revision: 1,
    };
    await transaction.insertInto("notification_rules").values(row).execute();
    await audit.append(transaction, {
      actor: userActor(actor),
      action: "notification-rule.create",
      subject: { kind: "notification-rule", id: row.id },
      details: { channel, plan, kinds },
    });
    return showRule(transaction, row);
  });
}

/** @throws AppError `ERR_NOT_FOUND`, `ERR_CHANGED_MEANWHILE`. */
export async function changeRule(
  { database, audit }: RuleDependencies,
  actor: Actor,
  id: string,
  change: NotificationRuleChange,
  ifMatch: number | undefined,
): Promise<NotificationRuleView> {
  return database.transaction(async (transaction) => {
    const row = await findRule(transaction, id);
    checkRevision(row, ifMatch);
    if (change.channel !== undefined) await findChannel(transaction, change.channel);
    const changed: RuleRow = {
      ...row,
      channel_id: change.channel ?? row.channel_id,
      kinds: change.kinds === undefined ? row.kinds : JSON.stringify([...new Set(change.kinds)]),
      revision: row.revision + 1,
    };
    await transaction.updateTable("notification_rules").set(changed).where("id", "=", id).execute();
    await audit.append(transaction, {
      actor: userActor(actor),
      action: "notification-rule.change",
      subject: { kind: "notification-rule", id },
      details: { channel: changed.channel_id, kinds: kindsOf(changed.kinds) },
    });
    return showRule(transaction, changed);
  });
}

/** @throws AppError `ERR_NOT_FOUND`. */
export async function deleteRule(
  { database, audit }: RuleDependencies,
  actor: Actor,
  id: string,
): Promise<void> {
  await database.transaction(async (transaction) => {
    const { channel_id: channel, plan_id: plan } = await findRule(transaction, id);
    await transaction.deleteFrom("notification_rules").where("id", "=", id).execute();
    await audit.append(transaction, {
      actor: userActor(actor),
      action: "notification-rule.delete",
      subject: { kind: "notification-rule", id },
      details: { channel, plan },
    });
  });
}

async function findRule(db: Db, id: string): Promise<RuleRow> {
  const row = await db.selectFrom("notification_rules").selectAll().where("id", "=", id).executeTakeFirst();
  if (row !== undefined) return row;
  throw notListed("rule", id);
}

async function showRule(db: Db, row: RuleRow): Promise<NotificationRuleView> {
  const channel = await findChannel(db, row.channel_id);
  const plan = row.plan_id === null ? null : await findPlan(db, row.plan_id);
  return {
    id: row.id,
    channel: { id: channel.id, name: channel.name },
    plan: plan === null ? null : { id: plan.id, name: plan.name },
    kinds: [...kindsOf(row.kinds)],
    createdAt: row.created_at,
    revision: row.revision,
  };
}
