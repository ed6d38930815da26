/** `holdfast admin definition`: what makes systemd run the service. */
import process from "node:process";
import { fileURLToPath } from "node:url";
import { AppError } from "@holdfast/kernel";
import { type CommandCall, EXIT, type Exit } from "../command-call.ts";
import { serviceCommands, serviceUnit } from "../service-unit.ts";

const MAIN = fileURLToPath(new URL("../main.ts", import.meta.url));
const PATH = "/etc/systemd/system/holdfast.service";

export function run({ options, output }: CommandCall): Promise<Exit> {
  if (process.platform !== "linux") {
    throw new AppError("ERR_UNSUPPORTED", "The service is run by systemd, on Linux.", {
      remedy: "Let the system run `holdfast serve` after the network is there, and again when it ends.",
    });
  }
  const installation = {
    program: process.execPath,
    programArguments: [MAIN],
    // Of the user that the unit runs as, not of who prints it.
    data: options.text("data") ?? "/var/lib/holdfast",
    unlockFile: options.text("unlockFile") ?? "/etc/holdfast/unlock.key",
    listen: options.text("listen") ?? "0.0.0.0:8443",
    database: options.text("database"),
    unlockWith: options.text("unlockWith") === "passphrase" ? "passphrase" : "file",
  } as const;
  const text = serviceUnit(installation);
  const commands = serviceCommands(installation);
  for (const line of text.trimEnd().split("\n")) output.text(line);
  output.note(`This belongs into ${PATH}.`);
  for (const command of commands) output.note(`  ${command}`);
  output.summary({ path: PATH, text, commands });
  return Promise.resolve(EXIT.done);
}
