/**
 * Requests that a browser sends for another site (docs/security.md, section 3).
 *
 * Browsers say where a request comes from, in headers that scripts cannot set: `Sec-Fetch-Site` (W3C Fetch Metadata) or
 * `Origin`. A form cannot send JSON. Other clients send neither header, and have no cookie that they did not choose to send.
 *
 * @module
 */
import type { IncomingHttpHeaders } from "node:http";
import { AppError } from "@holdfast/kernel";
import { mediaTypeError } from "./problems.ts";

const SAFE_METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);

/**
 * @param method of a request that signs in by cookie, or not at all.
 * @throws AppError `ERR_CROSS_SITE`, `ERR_MEDIA_TYPE`.
 */
export function refuseCrossSite(method: string, headers: IncomingHttpHeaders): void {
  if (SAFE_METHODS.has(method)) return;
  const site = headers["sec-fetch-site"];
  if (site === undefined ? !isOwnOrigin(headers) : site !== "same-origin") {
    throw new AppError("ERR_CROSS_SITE", "This request comes from another site.", {
      remedy: "Use the console of the service itself; programs sign in with an API token.",
    });
  }
  // DELETE has no body, and is nothing that a form or a plain request of another site can send.
  if (method !== "DELETE" && !isJson(headers["content-type"])) throw mediaTypeError();
}

function isOwnOrigin({ origin, host }: IncomingHttpHeaders): boolean {
  if (origin === undefined) return true;
  try {
    return host !== undefined && new URL(origin).host === new URL(`https://${host}`).host;
  } catch {
    return false;
  }
}

function isJson(contentType: string | undefined): boolean {
  return /^application\/json\s*(?:;|$)/iu.test(contentType ?? "");
}
