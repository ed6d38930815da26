/**
 * Which commands may run before and after backups: what the owner of the device has written down, word for word. The service, and
 * whoever has taken it over, can only choose among them.
 *
 * `hooks.json` in the state folder: `{"commands": [["/usr/local/bin/dump-database", "--all"]]}`.
 *
 * @module
 */
import { isAbsolute } from "node:path";
import { AppError } from "@holdfast/kernel";
import { z } from "zod";
import { openStateFolder } from "../state/state-folder.ts";

const NAME = "hooks.json";

const hooksFile = z.object({
  commands: z.array(z.array(z.string().min(1).max(4096)).min(1).max(64)).max(1000),
});

/** @throws AppError `ERR_HOOK_REFUSED` when it is not allowed, `ERR_AGENT_STATE` when others can change what is. */
export async function checkHookAllowed(
  stateDir: string,
  hasModes: boolean,
  command: readonly string[],
): Promise<void> {
  const folder = await openStateFolder(stateDir, { create: false, hasModes });
  const bytes = await folder.read(NAME);
  const allowed = bytes === undefined ? [] : parse(bytes, `${stateDir}/${NAME}`);
  const isAllowed = allowed.some(
    (words) => words.length === command.length && words.every((word, index) => word === command[index]),
  );
  if (isAllowed && isAbsolute(command[0] ?? "")) return;
  const shown = command.join(" ");
  throw new AppError("ERR_HOOK_REFUSED", `This device does not allow the command: ${shown}`, {
    subject: shown,
    remedy: `Its owner can allow it in ${stateDir}/${NAME}, word for word and with a full path.`,
  });
}

function parse(bytes: Buffer, path: string): readonly (readonly string[])[] {
  try {
    return hooksFile.parse(JSON.parse(bytes.toString("utf8"))).commands;
  } catch (cause) {
    throw new AppError("ERR_AGENT_STATE", `${path} cannot be used.`, {
      subject: path,
      remedy: 'Write it as {"commands": [["/full/path", "word", "word"]]}.',
      cause,
    });
  }
}
