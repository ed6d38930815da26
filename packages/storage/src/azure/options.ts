import type { Clock } from "@holdfast/kernel";
import type { HttpOptions } from "../remote/http-options.ts";

/** A key of the account, or a shared access signature (SAS). */
export interface AzureCredentials {
  readonly account?: string | undefined;
  /** Base64. */
  readonly accountKey?: string | undefined;
  /** The query of a signed URL, with or without its question mark. */
  readonly sas?: string | undefined;
}

/** How long each object can be neither changed nor deleted. */
export interface AzureLock {
  /** Under GOVERNANCE whoever has the right may shorten it ("unlocked"), under COMPLIANCE nobody ("locked"). */
  readonly mode: "COMPLIANCE" | "GOVERNANCE";
  readonly days: number;
}

export interface AzureOptions extends HttpOptions {
  /** Asked at the first request, and again after the storage refused what it gave. Default: variables `AZURE_STORAGE_*`. */
  readonly credentials?: (() => Promise<AzureCredentials>) | undefined;
  /** Lock each object from its creation. Needs a container with version-level immutability. */
  readonly lock?: AzureLock | undefined;
  /** Larger objects are put in blocks. Default 64 MiB. */
  readonly blocksFromBytes?: number;
  /** Default 16 MiB. */
  readonly blockBytes?: number;
  readonly clock?: Clock;
  /** Aborts the opening. */
  readonly signal?: AbortSignal | undefined;
}
