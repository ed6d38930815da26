/**
 * The service's database as commands open it: one that is there, copied before it is brought up to date.
 *
 * @module
 */
import { systemClock } from "@holdfast/kernel";
import type { Database } from "../database/database.ts";
import { openDatabase } from "../database/open-database.ts";
import { checkDatabaseThere, copyBeforeUpgrade } from "../database/upgrade-copy.ts";

/** @throws AppError `ERR_DATABASE_UNREACHABLE` saying what is missing, and what `openDatabase` throws. */
export async function openServiceDatabase(url: string): Promise<Database> {
  checkDatabaseThere(url);
  copyBeforeUpgrade(url, systemClock);
  return openDatabase(url);
}
