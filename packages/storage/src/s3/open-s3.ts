/**
 * From the URL of a bucket to its driver.
 *
 * @module
 */
import { AppError, systemClock } from "@holdfast/kernel";
import type { RemoteDriver } from "../remote/driver.ts";
import { checkHttpOptions, openHttp } from "../remote/http-options.ts";
import { learnCapabilities } from "./capabilities.ts";
import { parseS3Location, type S3Location } from "./location.ts";
import type { S3Options } from "./options.ts";
import { S3Driver } from "./s3-driver.ts";
import { S3Session } from "./session.ts";
import { createTransport } from "./transport.ts";

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
  // Loading it takes more than a tenth of a second; other storages need not wait for it.
  const sdk = await import("@aws-sdk/client-s3");
  const http = await openHttp(options);
  const transport = createTransport(http);
  return new S3Session({ sdk, location, credentials: options.credentials, http, transport });
}

function checkOptions({ endpoint }: S3Location, options: S3Options): void {
  checkHttpOptions("S3", endpoint, options);
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

function usage(message: string, remedy: string): AppError {
  return new AppError("ERR_USAGE", message, { remedy });
}
