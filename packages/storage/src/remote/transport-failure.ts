import type { ErrorCode } from "@holdfast/kernel";

/** Why a request got no useful answer; becomes an AppError where it is known what was tried. */
export class TransportFailure extends Error {
  override readonly name = "TransportFailure";
  readonly kind: ErrorCode;

  /** @param reason a clause: "nothing came for 30 s". */
  constructor(kind: ErrorCode, reason: string, cause?: unknown) {
    super(reason, cause === undefined ? undefined : { cause });
    this.kind = kind;
  }
}
