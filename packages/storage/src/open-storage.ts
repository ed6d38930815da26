/**
 * From the STORAGE argument of a command to a driver.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { AppError } from "@holdfast/kernel";
import type { Storage } from "./contract.ts";
import type { CredentialSource } from "./credentials.ts";
import { openLocalStorage } from "./local/local-storage.ts";
import { openRemote } from "./remote/open-remote.ts";

const REMOTE_SCHEMES: ReadonlySet<string> = new Set(["sftp", "s3", "smb", "webdav", "webdavs", "azure"]);
const SUPPORTED =
  "A storage is a path such as /srv/backups, or a URL that begins with file, sftp, s3, azure, smb or webdavs and ://.";

export interface OpenStorageOptions {
  /** Make the storage's folder when it is missing. */
  readonly create?: boolean;
  /** For remote storages. Default: what the protocol's own programs use, such as an SSH agent or `AWS_*` variables. */
  readonly credentials?: CredentialSource;
  /** Told when the storage refused the credentials, before they are asked for again: once for each call that meets it. */
  readonly onRefused?: () => void;
}

/**
 * Opens the storage at a path or URL. Errors name the scheme only, since a URL may hold a password.
 *
 * @throws {AppError} `ERR_USAGE`, or what opening the storage throws.
 */
export async function openStorage(location: string, options: OpenStorageOptions = {}): Promise<Storage> {
  if (location === "" || location.includes("\0"))
    throw usage("The storage's name is empty or has a NUL in it.");
  const scheme = /^([a-z][a-z0-9+.-]+):/i.exec(location)?.[1]?.toLowerCase();
  if (scheme !== undefined && REMOTE_SCHEMES.has(scheme)) return openRemote(location, options);
  return openLocalStorage(parseFolder(location, scheme), options);
}

function parseFolder(location: string, scheme: string | undefined): string {
  if (scheme === undefined) return location;
  if (scheme === "file") return parseFileUrl(location);
  if (location.startsWith("://", scheme.length))
    throw usage(`Storages of the kind ${scheme}:// are not known.`);
  return location;
}

function parseFileUrl(location: string): string {
  try {
    return fileURLToPath(location);
  } catch {
    // The cause would repeat the whole URL.
    throw usage("The file:// URL of the storage names no folder of this machine.");
  }
}

function usage(message: string): AppError {
  return new AppError("ERR_USAGE", message, { remedy: SUPPORTED });
}
