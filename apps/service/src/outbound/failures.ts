// Failures of calls to the outside, said so that a person can mend them.
import { AppError, errorCode } from "@holdfast/kernel";

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nothing listens there",
  ECONNRESET: "it ended the connection",
  EPIPE: "it ended the connection",
  ETIMEDOUT: "it did not answer in time",
  EHOSTUNREACH: "no way leads there",
  ENETUNREACH: "no way leads there",
  DEPTH_ZERO_SELF_SIGNED_CERT: "its certificate is signed by itself",
  SELF_SIGNED_CERT_IN_CHAIN: "its certificate is of an authority that is not known",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "its certificate is of an authority that is not known",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "its certificate is of an authority that is not known",
  CERT_HAS_EXPIRED: "its certificate has expired",
  ERR_TLS_CERT_ALTNAME_INVALID: "its certificate is for another name",
  EPROTO: "it does not speak TLS there",
};

/** @param subject never a whole URL, whose path may be secret. */
export function outboundFailure(subject: string, cause: unknown): AppError {
  const code = errorCode(cause instanceof AggregateError ? cause.errors[0] : cause);
  const known = code === undefined ? undefined : REASONS[code];
  const reason =
    known ?? (code?.startsWith("ERR_SSL") === true ? "it does not speak TLS there" : "it failed");
  return new AppError("ERR_OUTBOUND_FAILED", `${subject} could not be reached: ${reason}.`, {
    subject,
    remedy:
      "Check name and port, and that it runs; an own authority belongs in PUT /api/v1/policies/outbound.",
    cause,
  });
}
