// Lists of storages.
import type { Page, PageQuery, StorageView } from "@holdfast/protocol";
import type { Db } from "../database/database.ts";
import { nextPage, startAfter } from "../http/paging.ts";
import { showStorage } from "./storage-rows.ts";

/** By name. */
export async function listStorages(db: Db, query: PageQuery): Promise<Page<StorageView>> {
  let rows = db
    .selectFrom("storages")
    .selectAll()
    .orderBy("name")
    .limit(query.limit + 1);
  const after = startAfter(query.cursor);
  if (after !== undefined) rows = rows.where("name", ">", after);
  const page = nextPage(await rows.execute(), query.limit, ({ name }) => name);
  const items: StorageView[] = [];
  for (const row of page.items) items.push(await showStorage(db, row));
  return { ...page, items };
}
