/** `holdfast admin verify`: opens every value of the vault and recomputes the audit log. */
import { verifyDatabase } from "@holdfast/service";
import { type CommandCall, EXIT, type Exit } from "../command-call.ts";
import { servicePlaces } from "../service-places.ts";

export async function run({ options, output }: CommandCall): Promise<Exit> {
  const { database, unlockFile, data } = servicePlaces(options);
  const { vault, audit } = await verifyDatabase(database, {
    kind: "file",
    path: unlockFile,
    dataFolder: data,
  });
  const { problem } = audit;
  output.text(`Audit log: ${String(audit.rows)} rows, ${String(audit.checkpoints)} signed checkpoints.`);
  if (problem !== undefined)
    output.text(`Row ${String(problem.number)} is not as it was written: ${problem.reason}`);
  output.text(`Vault: ${String(vault.values)} values.`);
  for (const { subject, reason } of vault.problems) output.text(`${subject}: ${reason}`);
  output.summary({ audit, vault });
  return problem === undefined && vault.problems.length === 0 ? EXIT.done : EXIT.damaged;
}
