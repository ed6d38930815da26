import type { Clock } from "@holdfast/kernel";
import type { HttpOptions } from "../remote/http-options.ts";

export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Comes along with temporary credentials. */
  readonly sessionToken?: string | undefined;
}

/** How long each object can be neither changed nor deleted. */
export interface S3ObjectLock {
  /** Under GOVERNANCE whoever has a special right may delete nevertheless, under COMPLIANCE nobody. */
  readonly mode: "COMPLIANCE" | "GOVERNANCE";
  readonly days: number;
}

export interface S3Options extends HttpOptions {
  /**
   * Asked at the first request, and again after the storage refused what it gave. Default: the chain of Amazon's SDK
   * (variables `AWS_*`, files in `~/.aws`, the role of the machine).
   */
  readonly credentials?: (() => Promise<S3Credentials>) | undefined;
  /** Lock each object from its creation. Needs a bucket with object lock. */
  readonly objectLock?: S3ObjectLock | undefined;
  /** Larger objects are put in parts. Default 64 MiB. */
  readonly multipartFromBytes?: number;
  /** At least 5 MiB (Amazon S3 User Guide, "Multipart upload limits"). Default 16 MiB. */
  readonly partBytes?: number;
  readonly clock?: Clock;
  /** Aborts the opening. */
  readonly signal?: AbortSignal | undefined;
}
