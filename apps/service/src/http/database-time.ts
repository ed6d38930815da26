/**
 * Tells how long each query takes, whoever makes it.
 *
 * @module
 */
import type { KyselyPlugin, QueryId, RootOperationNode } from "kysely";
import type { Database } from "../database/database.ts";

/** The database, whose queries are told with their kind and milliseconds. */
export function timeDatabase(
  database: Database,
  queried: (kind: string, milliseconds: number) => void,
): Database {
  const started = new WeakMap<QueryId, { readonly kind: string; readonly at: number }>();
  const plugin: KyselyPlugin = {
    transformQuery: ({ node, queryId }) => {
      started.set(queryId, { kind: kindOf(node), at: performance.now() });
      return node;
    },
    transformResult: async ({ result, queryId }) => {
      const query = started.get(queryId);
      if (query !== undefined) queried(query.kind, performance.now() - query.at);
      return result;
    },
  };
  return {
    ...database,
    db: database.db.withPlugin(plugin),
    transaction: (work) => database.transaction((transaction) => work(transaction.withPlugin(plugin))),
  };
}

function kindOf({ kind }: RootOperationNode): string {
  if (kind === "SelectQueryNode") return "select";
  if (kind === "InsertQueryNode") return "insert";
  if (kind === "UpdateQueryNode") return "update";
  return kind === "DeleteQueryNode" ? "delete" : "other";
}
