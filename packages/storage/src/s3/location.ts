/**
 * Where a storage in S3 is: `s3://BUCKET/PREFIX?endpoint=URL&region=REGION&style=path|virtual`.
 *
 * Without an endpoint it is that of Amazon for the region. With one, the bucket stands in the path of each request; that
 * needs no name service and no wildcard certificate.
 *
 * @module
 */
import { AppError } from "@holdfast/kernel";
import { checkParts, parseEndpoint, parsePrefix } from "../remote/url-parts.ts";

export interface S3Location {
  readonly bucket: string;
  /** What stands before the name of an object in its key: empty, or ends with a slash. */
  readonly prefix: string;
  readonly endpoint: URL | undefined;
  readonly region: string | undefined;
  /** Whether the bucket stands in the path of a URL or in its host name. */
  readonly style: "path" | "virtual";
}

/** Amazon S3 User Guide, "General purpose bucket naming rules". */
const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;
const REGION = /^[a-zA-Z0-9-]{1,64}$/;
const PARAMETERS: ReadonlySet<string> = new Set(["endpoint", "region", "style"]);
const FORM =
  "Write s3://BUCKET/FOLDER, then ?endpoint=URL, &region=REGION and &style=path or virtual as needed.";

/** @throws {AppError} `ERR_USAGE`, without the URL in it: somebody may have put a password there. */
export function parseS3Location(url: URL): S3Location {
  if (url.protocol !== "s3:") throw refuse("does not begin with s3://");
  checkParts(url, PARAMETERS, refuse);
  if (!BUCKET.test(url.hostname)) throw refuse("has no legal name of a bucket");
  const endpoint = parseEndpoint(url.searchParams.get("endpoint"), refuse);
  return {
    bucket: url.hostname,
    prefix: parsePrefix(url.pathname, refuse),
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

function parseRegion(text: string | null): string | undefined {
  if (text === null) return undefined;
  if (!REGION.test(text)) throw refuse("has a region with illegal characters");
  return text;
}

function parseStyle(text: string | null, otherwise: S3Location["style"]): S3Location["style"] {
  if (text === null) return otherwise;
  if (text === "path" || text === "virtual") return text;
  throw refuse("has a style that is neither path nor virtual");
}

function refuse(what: string): AppError {
  return new AppError("ERR_USAGE", `The URL of the S3 storage ${what}.`, { remedy: FORM });
}
