// The audit log over HTTP.
import {
  auditQuery,
  auditRow,
  auditVerification,
  type AuditVerificationView,
  pageOf,
} from "@holdfast/protocol";
import type { Database, Db } from "../database/database.ts";
import { type AnyRoute, route } from "../http/route.ts";
import type { Vault } from "../secrets/vault.ts";
import { listAudit } from "./audit-list.ts";
import { verifyAudit } from "./verify-audit.ts";

const TAG = "audit";

export interface AuditRouteDependencies {
  readonly database: Database;
  readonly vault: Pick<Vault, "auditPublicKey">;
}

export function auditRoutes({ database, vault }: AuditRouteDependencies): AnyRoute[] {
  const { db } = database;
  return [
    route({
      method: "GET",
      path: "/audit",
      operation: "listAudit",
      summary: "Who did what, newest first",
      tag: TAG,
      right: "audit.read",
      query: auditQuery,
      answer: pageOf(auditRow),
      handle: ({ query }) => listAudit(db, query),
    }),
    route({
      method: "GET",
      path: "/audit/verification",
      operation: "verifyAudit",
      summary: "Recompute the whole log; names the first row that is not as it was written",
      tag: TAG,
      right: "audit.read",
      answer: auditVerification,
      handle: () => showVerification(db, vault.auditPublicKey),
    }),
  ];
}

/** Verifies, and says what to keep elsewhere. */
export async function showVerification(db: Db, publicKey: Buffer): Promise<AuditVerificationView> {
  const { rows, checkpoints, signedTo, problem } = await verifyAudit(db, publicKey);
  const head = await db
    .selectFrom("audit_checkpoints")
    .selectAll()
    .orderBy("number", "desc")
    .limit(1)
    .executeTakeFirst();
  return {
    rows,
    checkpoints,
    signedTo,
    publicKey: publicKey.toString("base64"),
    ...(head === undefined
      ? {}
      : {
          head: {
            number: head.number,
            at: head.at,
            hash: head.hash.toString("hex"),
            signature: head.signature.toString("base64"),
          },
        }),
    ...(problem === undefined ? {} : { problem }),
  };
}
