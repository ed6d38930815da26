/** `holdfast admin restore`: puts a copy of the service's database where the service looks for it. */
import { dirname } from "node:path";
import { AppError, makeFolder } from "@holdfast/kernel";
import { backupSqlite } from "@holdfast/service";
import { type CommandCall, EXIT, type Exit, operand } from "../command-call.ts";
import { servicePlaces } from "../service-places.ts";

export async function run(call: CommandCall): Promise<Exit> {
  const { databaseFile, unlockFile } = servicePlaces(call.options);
  if (databaseFile === undefined) {
    throw new AppError("ERR_UNSUPPORTED", "Only a SQLite database is put back by this command.", {
      remedy: "Use pg_restore for PostgreSQL.",
    });
  }
  await makeFolder(dirname(databaseFile), 0o700);
  backupSqlite(operand(call, 0), databaseFile);
  call.output.text(`The service's database is back in ${databaseFile}.`);
  call.output.text(`Put its unlock file to ${unlockFile}, or make a new one: holdfast admin unlock-file`);
  call.output.summary({ file: databaseFile });
  return EXIT.done;
}
