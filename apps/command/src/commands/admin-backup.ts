/** `holdfast admin backup`: a copy of the service's own database, also while it runs. */
import { backupSqlite } from "@holdfast/service";
import { AppError } from "@holdfast/kernel";
import { type CommandCall, EXIT, type Exit, operand } from "../command-call.ts";
import { servicePlaces } from "../service-places.ts";

export async function run(call: CommandCall): Promise<Exit> {
  const { databaseFile } = servicePlaces(call.options);
  const target = operand(call, 0);
  if (databaseFile === undefined) {
    throw new AppError("ERR_UNSUPPORTED", "Only a SQLite database is copied by this command.", {
      remedy: "Use pg_dump for PostgreSQL.",
    });
  }
  backupSqlite(databaseFile, target);
  call.output.text(`The service's database is in ${target}.`);
  call.output.text(
    "It opens with the unlock file, a passphrase of the vault or the recovery kit: keep those apart from it.",
  );
  call.output.summary({ file: target });
  return EXIT.done;
}
