/**
 * Parts that the URLs of object stores have in common. A part that cannot be used is told without being repeated: somebody
 * may have put a password there.
 *
 * @module
 */
import type { AppError } from "@holdfast/kernel";

/** A key or the name of a blob has at most 1024 bytes or characters, and the name of an object needs 200 of them. */
const PREFIX_BYTES_MAX = 512;

/** Makes the error of a sentence's end: "has illegal parts". */
type Refuse = (what: string) => AppError;

/** What stands before the names of all objects: empty, or ends with a slash. */
export function parsePrefix(pathname: string, refuse: Refuse): string {
  const path = decoded(pathname, refuse).replace(/^\/+|\/+$/g, "");
  if (path === "") return "";
  const legal = path.split("/").every((part) => !/^\.{0,2}$|[\p{Cc}\\]/u.test(part));
  if (!legal || Buffer.byteLength(path) > PREFIX_BYTES_MAX) {
    throw refuse("has a folder that is too long or has illegal parts");
  }
  return `${path}/`;
}

export function parseEndpoint(text: string | null, refuse: Refuse): URL | undefined {
  if (text === null) return undefined;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const plain = url !== undefined && url.username + url.password + url.search + url.hash === "";
  if (!plain || (url.protocol !== "https:" && url.protocol !== "http:")) {
    throw refuse("has an endpoint that is no plain https:// or http:// URL");
  }
  return url;
}

/** Nothing but a host, a path and the parameters, each once. */
export function checkParts(url: URL, parameters: ReadonlySet<string>, refuse: Refuse): void {
  if (url.username !== "" || url.password !== "" || url.port !== "" || url.hash !== "") {
    throw refuse("has a user, a password, a port or a fragment in it");
  }
  for (const name of url.searchParams.keys()) {
    if (!parameters.has(name) || url.searchParams.getAll(name).length > 1) {
      throw refuse("has a parameter that is unknown or stands there twice");
    }
  }
}

function decoded(pathname: string, refuse: Refuse): string {
  try {
    return decodeURIComponent(pathname);
  } catch {
    throw refuse("has a folder that is no legal UTF-8 text");
  }
}
