/** `holdfast admin reset-password`: for who has the service's machine and cannot sign in any more. */
import { resetPassword } from "@holdfast/service";
import { type CommandCall, EXIT, type Exit, operand } from "../command-call.ts";
import { promptNewPassphrase, readKeyFile, wipeKey } from "../key-input.ts";
import { servicePlaces } from "../service-places.ts";

export async function run(call: CommandCall): Promise<Exit> {
  const { database, unlockFile, data } = servicePlaces(call.options);
  const user = operand(call, 0);
  const password = await newPassword(call);
  const unlock = { kind: "file", path: unlockFile, dataFolder: data } as const;
  try {
    await resetPassword(database, unlock, user, password.toString("utf8"));
  } finally {
    password.fill(0);
  }
  call.output.text(
    `${user} signs in with the new password; the second factor and all sessions were removed.`,
  );
  call.output.summary({ user });
  return EXIT.done;
}

async function newPassword(call: CommandCall): Promise<Buffer> {
  const file = call.options.text("newPasswordFile");
  if (file !== undefined) return readKeyFile(file);
  const typed = await promptNewPassphrase(call, "--new-password-file FILE");
  if (typed.kind !== "passphrase") throw new Error("a prompt gives passphrases");
  const password = Buffer.from(typed.passphrase);
  wipeKey(typed);
  return password;
}
