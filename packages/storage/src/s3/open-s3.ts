/**
 * From the URL of a bucket to its driver.
 *
 * @module
 */
import { readFile } from "node:fs/promises";
import { AppError, systemClock } from "@holdfast/kernel";
import type { RemoteDriver } from "../remote/driver.ts";
import { learnCapabilities } from "./capabilities.ts";
import { openConnections } from "./connections.ts";
import { parseS3Location, type S3Location } from "./location.ts";
import type { S3Options } from "./options.ts";
import { S3Driver } from "./s3-driver.ts";
import { S3Session } from "./session.ts";
import { createTransport, isLoopback } from "./transport.ts";

const MEBIBYTE = 1024 * 1024;
/** Amazon S3 User Guide, "Multipart upload limits". */
const PART_BYTES_MIN = 5 * MEBIBYTE;
const LOCK_DAYS_MAX = 36_500;

/**
 * Asks the bucket what it can do; what is stored there is not touched.
 *
 * @param location a URL, see {@link parseS3Location}.
 * @throws {AppError} `ERR_USAGE`, or why the storage cannot be used: it is not reached, not trusted, has no such bucket, or
 * refuses the credentials. The caller may open it again where that helps.
 */
export async function openS3(location: URL | S3Location, options: S3Options = {}): Promise<RemoteDriver> {
  const where = location instanceof URL ? parseS3Location(location) : location;
  checkOptions(where, options);
  const signal = options.signal ?? new AbortController().signal;
  const session = await openSession(where, options);
  try {
    await session.checkRegion(signal);
    const capabilities = await learnCapabilities(session, options.objectLock !== undefined, signal);
    return new S3Driver(session, capabilities, {
      objectLock: options.objectLock,
      multipartFromBytes: options.multipartFromBytes ?? 64 * MEBIBYTE,
      partBytes: options.partBytes ?? 16 * MEBIBYTE,
      clock: options.clock ?? systemClock,
    });
  } catch (error) {
    session[Symbol.dispose]();
    throw error;
  }
}

async function openSession(location: S3Location, options: S3Options): Promise<S3Session> {
  const ca = options.caFile === undefined ? undefined : await readAuthorities(options.caFile);
  // Loading it takes more than a tenth of a second; other storages need not wait for it.
  const sdk = await import("@aws-sdk/client-s3");
  const connections = openConnections({
    ca,
    fingerprint: options.fingerprint?.replaceAll(":", "").toLowerCase(),
    connections: options.connections ?? 32,
    connectTimeoutMs: options.connectTimeoutMs ?? 15_000,
  });
  const transport = createTransport({
    connections,
    allowPlainHttp: options.allowPlainHttp === true,
    idleTimeoutMs: options.idleTimeoutMs ?? 30_000,
  });
  return new S3Session({ sdk, location, credentials: options.credentials, connections, transport });
}

function checkOptions({ endpoint }: S3Location, options: S3Options): void {
  if (endpoint?.protocol === "http:" && !isLoopback(endpoint.hostname) && options.allowPlainHttp !== true) {
    throw usage(
      "The endpoint of the S3 storage is not encrypted.",
      "Use an https:// endpoint; or allow plain HTTP, where nobody else can listen or interfere.",
    );
  }
  if (options.fingerprint !== undefined && !/^[0-9a-f]{2}(?::?[0-9a-f]{2}){31}$/i.test(options.fingerprint)) {
    throw usage(
      "The fingerprint of the certificate is no SHA-256 in hexadecimal digits.",
      "Get it with `openssl x509 -noout -fingerprint -sha256 -in CERTIFICATE`.",
    );
  }
  const { days } = options.objectLock ?? { days: 1 };
  if (!Number.isSafeInteger(days) || days < 1 || days > LOCK_DAYS_MAX) {
    throw usage(
      "The time of the object lock is out of bounds.",
      `Give whole days, 1 to ${String(LOCK_DAYS_MAX)}.`,
    );
  }
  if ((options.partBytes ?? PART_BYTES_MIN) < PART_BYTES_MIN) {
    throw usage("The parts of an upload are too small.", "Give at least 5 MiB.");
  }
}

async function readAuthorities(path: string): Promise<Buffer> {
  let pem;
  try {
    pem = await readFile(path);
  } catch (cause) {
    throw new AppError("ERR_USAGE", `The file of certificate authorities ${path} cannot be read.`, {
      subject: path,
      remedy: "Check its path and rights.",
      cause,
    });
  }
  if (pem.includes("-----BEGIN CERTIFICATE-----")) return pem;
  throw usage(`${path} has no certificate in PEM form.`, "Give a file with -----BEGIN CERTIFICATE-----.");
}

function usage(message: string, remedy: string): AppError {
  return new AppError("ERR_USAGE", message, { remedy });
}
