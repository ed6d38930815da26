/** `holdfast admin unlock-file`: a new unlock file, by a passphrase of the vault or the recovery kit. */
import { makeNewUnlockFile } from "@holdfast/service";
import { AppError } from "@holdfast/kernel";
import { type CommandCall, EXIT, type Exit } from "../command-call.ts";
import { givenKey, promptKey, wipeKey } from "../key-input.ts";
import { servicePlaces } from "../service-places.ts";

export async function run(call: CommandCall): Promise<Exit> {
  const { database, unlockFile, data } = servicePlaces(call.options);
  const key = givenKey(call, undefined) ?? (await promptKey(call, "the service's vault"));
  if (key === undefined) {
    throw new AppError("ERR_KEY_MISSING", "A passphrase of the vault or its recovery kit is needed.", {
      remedy: "Give it with --key-file FILE, or at the prompt of a terminal.",
    });
  }
  try {
    await makeNewUnlockFile(database, key, { path: unlockFile, dataFolder: data });
  } finally {
    wipeKey(key);
  }
  call.output.text(
    `The vault opens with ${unlockFile} from now on; the old unlock file opens nothing any more.`,
  );
  call.output.summary({ file: unlockFile });
  return EXIT.done;
}
