/**
 * `sftp://user@host:port/path`: an absolute path, or `/~/path` below the home folder of the user.
 *
 * @module
 */
import { userInfo } from "node:os";
import { posix } from "node:path";
import { AppError } from "@holdfast/kernel";

export const SSH_PORT = 22;

/** Names, IPv4 and IPv6 addresses, the latter also with a zone. */
const HOST = /^[a-z0-9_](?:[a-z0-9._-]*)$|^[a-f0-9:.]+(?:%[a-z0-9_.-]+)?$/;

export interface SftpLocation {
  readonly user: string;
  /** In lower case; an IPv6 address without brackets. */
  readonly host: string;
  readonly port: number;
  /** Without a slash at its end, `/` for the root; below the home folder when that is set, empty for the folder itself. */
  readonly path: string;
  readonly fromHome: boolean;
  /** For messages. */
  readonly url: string;
}

/** @throws {AppError} `ERR_USAGE`; it repeats nothing of the text, which may hold a password. */
export function parseSftpLocation(text: string | URL): SftpLocation {
  const url = parseUrl(text);
  if (url.protocol !== "sftp:") throw usage("The storage's URL does not begin with sftp://.");
  if (url.password !== "") throw usage("A password does not belong in the URL of a storage.");
  if (url.search !== "" || url.hash !== "")
    throw usage("The URL of an SFTP storage has a part after ? or #.");
  const host = decode(url.hostname)
    .toLowerCase()
    .replace(/^\[(.*)\]$/, "$1");
  if (!HOST.test(host)) throw usage("The URL of the SFTP storage names no host.");
  const user = url.username === "" ? userInfo().username : decode(url.username);
  const port = url.port === "" ? SSH_PORT : Number(url.port);
  if (port === 0) throw usage("Port 0 cannot be connected to.");
  const { path, fromHome } = parsePath(decode(url.pathname));
  return { user, host, port, path, fromHome, url: toUrl(user, host, port, fromHome ? `/~/${path}` : path) };
}

/** A name of the host as known_hosts has it: sshd(8), SSH_KNOWN_HOSTS FILE FORMAT. */
export function knownHostName(location: SftpLocation): string {
  const { host, port } = location;
  return port === SSH_PORT ? host : `[${host}]:${String(port)}`;
}

function parseUrl(text: string | URL): URL {
  try {
    return new URL(text);
  } catch {
    // The cause would repeat the whole URL.
    throw usage("The storage's name is no valid URL.");
  }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw usage("The URL of the SFTP storage has a wrong % in it.");
  }
}

function parsePath(pathname: string): { readonly path: string; readonly fromHome: boolean } {
  if (pathname === "") throw usage("The URL of the SFTP storage names no folder.");
  if (pathname.includes("\0") || pathname.split("/").includes(".."))
    throw usage("The folder of the SFTP storage has .. or a NUL in it.");
  const normal = posix.normalize(pathname).replace(/(?<=.)\/$/, "");
  if (normal === "/~") return { path: "", fromHome: true };
  if (normal.startsWith("/~/")) return { path: normal.slice(3), fromHome: true };
  return { path: normal, fromHome: false };
}

function toUrl(user: string, host: string, port: number, path: string): string {
  const name = host.includes(":") ? `[${host}]` : host;
  const suffix = port === SSH_PORT ? "" : `:${String(port)}`;
  return `sftp://${encodeURIComponent(user)}@${name}${suffix}${encodeURI(path)}`;
}

function usage(message: string): AppError {
  return new AppError("ERR_USAGE", message, {
    remedy:
      "Write sftp://user@host/folder or sftp://user@host:port/folder, with /~/ for a folder in the user's home.",
  });
}
