/** What a failure of some protocol means to a person: the drivers' tables are made of it. */
import type { ErrorCode } from "@holdfast/kernel";

export interface Meaning {
  readonly code: ErrorCode;
  readonly reason: string;
  readonly remedy: string;
}

export const MAKE_ROOM =
  "Free space there, raise the quota, or run `holdfast forget` and `holdfast clean`; then try again.";
export const ASK_OPERATOR = "Try again; when it stays, ask whoever runs the storage.";
