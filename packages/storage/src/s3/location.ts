/**
 * Where a storage in S3 is: `s3://BUCKET/PREFIX?endpoint=URL&region=REGION&style=path|virtual`.
 *
 * Without an endpoint it is that of Amazon for the region. With one, the bucket stands in the path of each request; that
 * needs no name service and no wildcard certificate.
 *
 * @module
 */
import { AppError } from "@holdfast/kernel";

export interface S3Location {
  readonly bucket: string;
  /** What stands before the name of an object in its key: empty, or ends with a slash. */
  readonly prefix: string;
  readonly endpoint: URL | undefined;
  readonly region: string | undefined;
  /** Whether the bucket stands in the path of a URL or in its host name. */
  readonly style: "path" | "virtual";
}

/** A key has at most 1024 bytes, and the name of an object needs 200 of them. */
const PREFIX_BYTES_MAX = 512;
/** Amazon S3 User Guide, "General purpose bucket naming rules". */
const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;
const REGION = /^[a-zA-Z0-9-]{1,64}$/;
const PARAMETERS: ReadonlySet<string> = new Set(["endpoint", "region", "style"]);
const FORM =
  "Write s3://BUCKET/FOLDER, then ?endpoint=URL, &region=REGION and &style=path or virtual as needed.";

/** @throws {AppError} `ERR_USAGE`, without the URL in it: somebody may have put a password there. */
export function parseS3Location(url: URL): S3Location {
  if (url.protocol !== "s3:") throw usage("The URL of an S3 storage begins with s3://.");
  if (url.username !== "" || url.password !== "" || url.port !== "" || url.hash !== "") {
    throw usage("The URL of an S3 storage has a user, a password, a port or a fragment in it.");
  }
  for (const name of url.searchParams.keys()) {
    if (!PARAMETERS.has(name) || url.searchParams.getAll(name).length > 1) {
      throw usage("The URL of an S3 storage has a parameter that is unknown or stands there twice.");
    }
  }
  if (!BUCKET.test(url.hostname)) throw usage("The URL of an S3 storage has no legal name of a bucket.");
  const endpoint = parseEndpoint(url.searchParams.get("endpoint"));
  return {
    bucket: url.hostname,
    prefix: parsePrefix(url.pathname),
    endpoint,
    region: parseRegion(url.searchParams.get("region")),
    style: parseStyle(url.searchParams.get("style"), endpoint === undefined ? "virtual" : "path"),
  };
}

/** For messages. */
export function describeLocation({ bucket, prefix, endpoint }: S3Location): string {
  const folder = `s3://${bucket}/${prefix}`.replace(/\/$/, "");
  return endpoint === undefined ? folder : `${folder}?endpoint=${endpoint.href.replace(/\/$/, "")}`;
}

function parsePrefix(pathname: string): string {
  const path = decoded(pathname).replace(/^\/+|\/+$/g, "");
  if (path === "") return "";
  const legal = path.split("/").every((part) => !/^\.{0,2}$|[\p{Cc}\\]/u.test(part));
  if (!legal || Buffer.byteLength(path) > PREFIX_BYTES_MAX) {
    throw usage("The folder in the URL of the S3 storage is too long or has illegal parts.");
  }
  return `${path}/`;
}

function decoded(pathname: string): string {
  try {
    return decodeURIComponent(pathname);
  } catch {
    throw usage("The folder in the URL of the S3 storage is no legal UTF-8 text.");
  }
}

function parseEndpoint(text: string | null): URL | undefined {
  if (text === null) return undefined;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const plain = url !== undefined && url.username + url.password + url.search + url.hash === "";
  if (!plain || (url.protocol !== "https:" && url.protocol !== "http:")) {
    throw usage("The endpoint of the S3 storage is no plain https:// or http:// URL.");
  }
  return url;
}

function parseRegion(text: string | null): string | undefined {
  if (text === null) return undefined;
  if (!REGION.test(text)) throw usage("The region of the S3 storage has illegal characters.");
  return text;
}

function parseStyle(text: string | null, otherwise: S3Location["style"]): S3Location["style"] {
  if (text === null) return otherwise;
  if (text === "path" || text === "virtual") return text;
  throw usage("The style of the S3 storage is neither path nor virtual.");
}

function usage(message: string): AppError {
  return new AppError("ERR_USAGE", message, { remedy: FORM });
}
