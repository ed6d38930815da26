/**
 * What it means when a storage does not store an object.
 *
 * @module
 */
import { AppError } from "@holdfast/kernel";
import { answerBehind } from "./service-answer.ts";

/** Amazon S3 User Guide, "How to prevent object overwrites with conditional writes". */
export function isTaken(error: unknown): boolean {
  const answer = answerBehind(error);
  return answer?.code === "PreconditionFailed" || answer?.status === 412;
}

/** Another write or delete of the same key is under way. */
export function isConflict(error: unknown): boolean {
  const answer = answerBehind(error);
  return answer?.code === "ConditionalRequestConflict" || answer?.code === "OperationAborted";
}

/** The storage does not know `If-None-Match` on a write. */
export function isUnknownCondition(error: unknown): boolean {
  const answer = answerBehind(error);
  return answer?.code === "NotImplemented" || answer?.status === 501;
}

/** Without the condition, a second writer of a name would overwrite what the first one stored. */
export function unconditional(location: string, cause: unknown): AppError {
  return new AppError(
    "ERR_UNSUPPORTED",
    `${location} cannot refuse to overwrite an object (If-None-Match).`,
    {
      subject: location,
      remedy:
        "Use a storage that knows S3's conditional writes, or a newer version of this one. " +
        "Some know them only in buckets without versions.",
      cause,
    },
  );
}
