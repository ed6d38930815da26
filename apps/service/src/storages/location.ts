/**
 * Locations of storages as the service keeps them: without credentials, absolute, of a known kind. The drivers check the
 * rest where the storage is opened (packages/storage).
 *
 * @module
 */
import { isAbsolute, join } from "node:path";
import { AppError } from "@holdfast/kernel";

const SCHEMES: ReadonlySet<string> = new Set(["file", "sftp", "s3", "smb", "webdav", "webdavs", "azure"]);

/** What a URL may say besides its place (docs/storages.md). A token or signature is none of it. */
const SETTINGS: ReadonlySet<string> = new Set([
  "account",
  "ca",
  "encrypt",
  "endpoint",
  "fingerprint",
  "kerberos",
  "lock",
  "parallel",
  "plain-http",
  "rate",
  "region",
  "retry",
  "style",
]);

/** @throws AppError `ERR_USAGE`. Its message repeats nothing of the location, which may hold a password. */
export function checkLocation(location: string): void {
  if (location.includes("\0")) throw unusable("it has a NUL in it");
  const url = urlOf(location);
  if (url === undefined) {
    if (!isAbsolute(location)) throw unusable("it is neither an absolute path nor a URL");
    return;
  }
  if (!SCHEMES.has(url.protocol.slice(0, -1))) throw unusable("storages of this kind are not known");
  if (url.password !== "") throw unusable("it holds a password");
  for (const name of url.searchParams.keys()) {
    if (!SETTINGS.has(name)) throw unusable("it has a setting that is not known");
  }
  const endpoint = url.searchParams.get("endpoint");
  if (endpoint !== null && /[@?#]/u.test(endpoint))
    throw unusable("its endpoint has more than a place in it");
}

/** The place of a repository: a folder below the storage's. Settings of a URL stay with it. */
export function joinLocation(location: string, folder: string): string {
  const url = urlOf(location);
  if (url === undefined) return join(location, folder);
  url.pathname = `${url.pathname.replace(/\/+$/u, "")}/${folder}`;
  return url.href;
}

/**
 * Who gets the credentials: everything of a location that decides with whom a connection is made and how that one is
 * recognised. Two locations that differ in it are different recipients.
 */
export function recipientOf(location: string): string {
  const url = urlOf(location);
  return url === undefined ? "" : `${url.protocol}//${url.username}@${url.host}${url.search}`;
}

function urlOf(location: string): URL | undefined {
  if (!/^[a-z][a-z0-9+.-]+:/iu.test(location)) return undefined;
  try {
    return new URL(location);
  } catch {
    throw unusable("it is not a URL");
  }
}

function unusable(reason: string): AppError {
  return new AppError("ERR_USAGE", `The location of the storage cannot be used: ${reason}.`, {
    subject: "location",
    remedy:
      "Give a path such as /srv/backups, or a URL such as sftp://user@host/path; passwords belong in the Password Manager.",
  });
}
