/**
 * `smb://[DOMAIN;][USER@]HOST[:PORT]/SHARE[/FOLDER...]`, after the draft draft-crhertel-smb-url-12, without a password.
 *
 * @module
 */
import { AppError } from "@holdfast/kernel";

export interface SmbLocation {
  /** A name, an IPv4 address, or an IPv6 address in brackets. */
  readonly host: string;
  readonly port: number;
  readonly share: string;
  /** Names of the folders from the share's root to the storage. */
  readonly folder: readonly string[];
  readonly user: string | undefined;
  readonly domain: string | undefined;
}

const PORT = 445;
const LENGTH_MAX = 1000;
/** MS-FSCC 2.1.5: what no name on an SMB share may hold. */
// oxlint-disable-next-line no-control-regex -- no name may hold them.
const ILLEGAL = /[\u0000-\u001f"*/:<>?\\|]/u;

/** @throws AppError `ERR_USAGE`, which never repeats the URL: somebody may have put a password into it. */
export function parseSmbLocation(url: URL): SmbLocation {
  if (url.protocol !== "smb:" || url.href.length > LENGTH_MAX) throw usage("It is no smb:// URL.");
  if (url.password !== "") throw usage("A password has no place in it.");
  if (url.search !== "" || url.hash !== "") throw usage("It has a ? or a # in it.");
  if (url.hostname === "") throw usage("It names no server.");
  const names = url.pathname
    .split("/")
    .filter((name) => name !== "")
    .map(decode);
  const [share, ...folder] = names;
  if (share === undefined) throw usage("It names no share.");
  if (names.some((name) => ILLEGAL.test(name) || name === "." || name === "..")) {
    throw usage("It has a name that no share or folder can have.");
  }
  const [first, second] = splitOnce(decode(url.username), ";");
  const user = second ?? first;
  return {
    host: decode(url.hostname),
    port: url.port === "" ? PORT : Number(url.port),
    share,
    folder,
    user: user === "" ? undefined : user,
    domain: second === undefined || first === "" ? undefined : first,
  };
}

/** For messages: without the user. */
export function showSmbLocation(location: SmbLocation): string {
  const port = location.port === PORT ? "" : `:${String(location.port)}`;
  return `smb://${location.host}${port}/${[location.share, ...location.folder].join("/")}`;
}

/** For the library, which undoes `%xx`: always with the port, so that it tries no other one. Neither user nor password. */
export function libraryUrl(location: SmbLocation): string {
  const path = [location.share, ...location.folder].map(encodeURIComponent).join("/");
  return `smb://${location.host}:${String(location.port)}/${path}`;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw usage("It has a % that begins no character.");
  }
}

function splitOnce(text: string, separator: string): readonly [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + separator.length)];
}

function usage(reason: string): AppError {
  return new AppError("ERR_USAGE", `The smb:// URL of the storage cannot be used. ${reason}`, {
    remedy: "Write smb://HOST/SHARE/FOLDER, with a user as smb://USER@HOST/... or smb://DOMAIN;USER@HOST/...",
  });
}
