/**
 * From a URL to where the server is and which of its folders is ours.
 *
 * @module
 */
import { BlockList, isIP } from "node:net";
import { AppError } from "@holdfast/kernel";

const FORMS =
  "Name the storage as webdavs://host/folder, or webdav://127.0.0.1:8080/folder for this machine.";
const PLAIN_PORT = 80;
const TLS_PORT = 443;

export interface WebdavLocation {
  readonly tls: boolean;
  /** Name or address, an IPv6 one without brackets. */
  readonly host: string;
  readonly port: number;
  /** Components of the base folder's path, decoded. */
  readonly base: readonly string[];
  /** The URL for messages. */
  readonly text: string;
}

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8, "ipv4");
loopback.addAddress("::1", "ipv6");

export function isLoopbackAddress(address: string): boolean {
  const version = isIP(address);
  return version !== 0 && loopback.check(address, version === 4 ? "ipv4" : "ipv6");
}

/**
 * Errors name no part of the URL before it is known to hold no password.
 *
 * @param allowPlainHttp lets `webdav://` name another machine than this one.
 * @throws {AppError} `ERR_USAGE`.
 */
export function parseWebdavUrl(url: URL | string, allowPlainHttp: boolean): WebdavLocation {
  const { tls, parsed } = parseUrl(typeof url === "string" ? url : url.href);
  const base = decodePath(parsed.pathname);
  if (base === undefined) throw usage("The path in the URL of the WebDAV server is not well formed.");
  const host = parsed.hostname.replace(/^\[(.*)\]$/, "$1");
  const text = `${tls ? "webdavs" : "webdav"}://${parsed.host}${parsed.pathname}`;
  const local = host === "localhost" || isLoopbackAddress(host);
  if (!tls && !local && !allowPlainHttp) throw unencrypted(text);
  const port = parsed.port === "" ? (tls ? TLS_PORT : PLAIN_PORT) : Number(parsed.port);
  return { tls, host, port, base, text };
}

function parseUrl(url: string): { readonly tls: boolean; readonly parsed: URL } {
  const [, scheme, rest] = /^(webdavs?):\/\/(.+)$/is.exec(url) ?? [];
  if (scheme === undefined || rest === undefined) throw usage("The URL is not of a WebDAV server.");
  const tls = scheme.toLowerCase() === "webdavs";
  // Only URLs of known schemes get their host checked and brought to its usual form.
  const parsed = URL.parse(`${tls ? "https" : "http"}://${rest}`);
  if (parsed === null) throw usage("The URL of the WebDAV server is not well formed.");
  if (parsed.username !== "" || parsed.password !== "")
    throw usage("The URL of the WebDAV server holds a user or password; they are given apart from it.");
  if (parsed.search !== "" || parsed.hash !== "")
    throw usage("The URL of the WebDAV server holds a question mark or a number sign.");
  return { tls, parsed };
}

/** Components of a URL's path without empty ones; undefined when one is not a file's name. */
export function decodePath(pathname: string): readonly string[] | undefined {
  try {
    const components = pathname.split("/").filter((component) => component !== "");
    const decoded = components.map((component) => decodeURIComponent(component));
    return decoded.some((component) => /[/\p{Cc}]/u.test(component)) ? undefined : decoded;
  } catch {
    return undefined;
  }
}

/** The host, with the port unless it is the usual one: for the header Host and for URLs. */
export function authority({ tls, host, port }: WebdavLocation): string {
  const name = host.includes(":") ? `[${host}]` : host;
  return port === (tls ? TLS_PORT : PLAIN_PORT) ? name : `${name}:${String(port)}`;
}

export function encodePath(components: readonly string[]): string {
  return components.map((component) => `/${encodeURIComponent(component)}`).join("");
}

/** Path of the object or temporary file `name`. */
export function filePath(location: WebdavLocation, name: string): string {
  return encodePath([...location.base, ...name.split("/")]);
}

/** Path of the folder `name`, "" for the base. Some servers know a folder by the slash at its end only. */
export function folderPath(location: WebdavLocation, name: string): string {
  return `${encodePath([...location.base, ...(name === "" ? [] : name.split("/"))])}/`;
}

function usage(message: string): AppError {
  return new AppError("ERR_USAGE", message, { remedy: FORMS });
}

function unencrypted(text: string): AppError {
  return new AppError("ERR_USAGE", `${text} is on another machine, and webdav:// does not encrypt.`, {
    subject: text,
    remedy: "Use webdavs://, or allow plain HTTP where the network itself is encrypted.",
  });
}
