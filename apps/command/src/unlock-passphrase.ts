/**
 * The passphrase that opens the service's vault in place of the unlock file: typed at the terminal, or a credential that systemd
 * hands over (systemd.exec(5), "Credentials"); never an argument or the environment.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { AppError } from "@holdfast/kernel";
import { readKeyFile } from "./key-input.ts";
import { canPrompt, promptSecret } from "./prompt.ts";

/** Its name with systemd: `LoadCredentialEncrypted=holdfast-unlock:...`. */
export const UNLOCK_CREDENTIAL = "holdfast-unlock";

/** The caller wipes it. @throws AppError `ERR_KEY_MISSING`, `ERR_KEY_FORMAT`, `ERR_CANCELLED`. */
export async function unlockPassphrase(signal: AbortSignal): Promise<Buffer> {
  const { CREDENTIALS_DIRECTORY: folder = "" } = process.env;
  const credential = join(folder, UNLOCK_CREDENTIAL);
  if (folder !== "" && existsSync(credential)) return readKeyFile(credential);
  if (canPrompt()) return promptSecret("Passphrase of the service's vault: ", signal);
  throw new AppError(
    "ERR_KEY_MISSING",
    "The passphrase of the vault is needed, and there is nobody to ask.",
    {
      remedy: `Start it at a terminal, or give systemd the credential ${UNLOCK_CREDENTIAL}: see \`holdfast admin definition --unlock-with passphrase\`.`,
    },
  );
}
