/**
 * From the URL of a container to its driver.
 *
 * @module
 */
import { systemClock } from "@holdfast/kernel";
import type { RemoteDriver } from "../remote/driver.ts";
import { checkHttpOptions, openHttp } from "../remote/http-options.ts";
import { AzureDriver } from "./azure-driver.ts";
import { learnCapabilities } from "./capabilities.ts";
import { parseAzureLocation } from "./location.ts";
import type { AzureOptions } from "./options.ts";
import { AzureSession } from "./session.ts";

const MEBIBYTE = 1024 * 1024;

/**
 * Asks the container what it can do; what is stored there is not touched.
 *
 * @param url see {@link parseAzureLocation}.
 * @throws {AppError} `ERR_USAGE`, or why the storage cannot be used: it is not reached, not trusted, has no such container,
 * or refuses the credentials. The caller may open it again where that helps.
 */
export async function openAzure(url: URL, options: AzureOptions = {}): Promise<RemoteDriver> {
  const location = parseAzureLocation(url);
  checkHttpOptions("Azure", location.endpoint, options);
  const { credentials, lock, clock = systemClock } = options;
  const http = await openHttp(options);
  // Loading it takes more than a tenth of a second; other storages need not wait for it.
  const sdk = await import("@azure/storage-blob");
  const session = new AzureSession({ sdk, location, credentials, http, clock });
  try {
    const signal = options.signal ?? new AbortController().signal;
    const capabilities = await learnCapabilities(session, lock !== undefined, signal);
    return new AzureDriver(session, capabilities, {
      lock,
      clock,
      blocksFromBytes: options.blocksFromBytes ?? 64 * MEBIBYTE,
      blockBytes: options.blockBytes ?? 16 * MEBIBYTE,
    });
  } catch (error) {
    session[Symbol.dispose]();
    throw error;
  }
}
