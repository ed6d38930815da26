/**
 * Where the credentials of a storage come from: `--credentials`, HOLDFAST_CREDENTIALS_FILE, the configuration, else what the
 * protocol's own programs use. The file is read anew whenever a connection needs it.
 *
 * @module
 */
import { readFile } from "node:fs/promises";
import { AppError, errorCode } from "@holdfast/kernel";
import {
  type CredentialSource,
  decodeStorageCredentials,
  openStorage,
  type OpenStorageOptions,
  type Storage,
} from "@holdfast/storage";
import type { CommandCall } from "./command-call.ts";
import type { StorageDefaults } from "./configuration.ts";

/** Opens the storage that the first operand names. @throws AppError as `openStorage`. */
export async function openNamedStorage(
  call: CommandCall,
  { location, credentials }: StorageDefaults,
  options: Pick<OpenStorageOptions, "create"> = {},
): Promise<Storage> {
  const environment = process.env["HOLDFAST_CREDENTIALS_FILE"];
  const named = call.options.text("credentials") ?? (environment === "" ? undefined : environment);
  return openStorage(location, { ...options, ...sourceOf(named ?? credentials) });
}

/** Opens the storage that a replica goes to; made when it is missing. @throws AppError as `openStorage`. */
export async function openReplicaStorage(
  call: CommandCall,
  { location, credentials }: StorageDefaults,
): Promise<Storage> {
  const named = call.options.text("targetCredentials") ?? credentials;
  return openStorage(location, { create: true, ...sourceOf(named) });
}

function sourceOf(path: string | undefined): { readonly credentials?: CredentialSource } {
  return path === undefined
    ? {}
    : { credentials: async () => decodeStorageCredentials(await readCredentials(path), path) };
}

async function readCredentials(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    const reason = errorCode(cause) ?? "it failed";
    throw new AppError("ERR_USAGE", `The credentials in ${path} cannot be read: ${reason}.`, {
      subject: path,
      remedy: "Name a file that this user can read.",
      cause,
    });
  }
}
