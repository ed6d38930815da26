/**
 * The one error class that crosses a module border, and the registry of its codes.
 *
 * An operating error (bad input, broken disk, lost network) is an {@link AppError}; a broken invariant of our own
 * is an `assert`. There is no third kind. Codes are API: add, never rename or reuse.
 *
 * @module
 */

/** What a caller needs to know about an error without reading its message. */
interface ErrorTraits {
  /** Exit code of the command `holdfast`. */
  readonly exit: 1 | 2 | 3 | 4 | 5 | 6 | 7 | 130;
  /** True when the same call may succeed later without any change by the user. */
  readonly retryable: boolean;
}

const refused = { exit: 7, retryable: false } as const;
const failed = { exit: 1, retryable: false } as const;

/** Every error code of the product. */
export const ERROR_CODES = {
  ERR_USAGE: { exit: 2, retryable: false },
  ERR_FAILED: failed,
  ERR_CANCELLED: { exit: 130, retryable: true },
  ERR_UNSUPPORTED: failed,
  ERR_KEY_WRONG: { exit: 4, retryable: false },
  ERR_KEY_MISSING: { exit: 2, retryable: false },
  ERR_KEY_FORMAT: { exit: 2, retryable: false },
  ERR_CAPABILITY: refused,
  ERR_NOT_ENCRYPTED: refused,
  ERR_DAMAGED: { exit: 5, retryable: false },
  ERR_FORMAT_VERSION: failed,
  ERR_REPOSITORY_MISSING: { exit: 6, retryable: false },
  ERR_REPOSITORY_EXISTS: refused,
  ERR_REPOSITORY_MISMATCH: refused,
  ERR_SAME_PLACE: refused,
  ERR_CLEANER_ACTIVE: { exit: 7, retryable: true },
  ERR_CLEAN_FIRST: refused,
  ERR_LAST_SLOT: refused,
  ERR_SLOT_NOT_FOUND: failed,
  ERR_COPY_NOT_FOUND: failed,
  ERR_COPY_AMBIGUOUS: { exit: 2, retryable: false },
  ERR_PATH_NOT_FOUND: failed,
  ERR_SESSION_LOST: { exit: 1, retryable: true },
  ERR_STORAGE_NOT_FOUND: { exit: 6, retryable: false },
  ERR_STORAGE_EXISTS: { exit: 6, retryable: false },
  ERR_STORAGE_FULL: { exit: 6, retryable: true },
  ERR_STORAGE_DENIED: { exit: 6, retryable: false },
  ERR_STORAGE_UNREACHABLE: { exit: 6, retryable: true },
  ERR_STORAGE_FAILED: { exit: 6, retryable: true },
  /** The password, key or token was refused; not that it may do too little (`ERR_STORAGE_DENIED`). */
  ERR_STORAGE_CREDENTIALS: { exit: 6, retryable: false },
  /** No such bucket, container, share or folder. */
  ERR_STORAGE_MISSING: { exit: 6, retryable: false },
  /** The other side is not who it should be: an unknown or changed host key, a certificate that does not verify. */
  ERR_STORAGE_UNTRUSTED: { exit: 6, retryable: false },
  ERR_STORAGE_TIMEOUT: { exit: 6, retryable: true },
  ERR_STORAGE_THROTTLED: { exit: 6, retryable: true },
  ERR_SOURCE_UNREADABLE: failed,
  ERR_SOURCE_CHANGED: failed,
  ERR_SOURCE_VANISHED: failed,
  /** A volume could not be frozen for a backup, or a snapshot not be removed. */
  ERR_SNAPSHOT: failed,
  ERR_TARGET: failed,
  ERR_TARGET_UNSAFE: refused,
  /** The agent's state folder is missing, unusable, or readable by others. */
  ERR_AGENT_STATE: failed,
  ERR_AGENT_NOT_ENROLLED: failed,
  ERR_AGENT_RUNNING: refused,
  /** Another process works with the same embedded database. */
  ERR_SERVICE_RUNNING: refused,
  /** The agent ended, such as by a restart of its machine, while it had the run. */
  ERR_AGENT_STOPPED: { exit: 1, retryable: true },
  /** No enrolment code, or one that is wrong, used or expired. */
  ERR_ENROLMENT_CODE: { exit: 2, retryable: false },
  ERR_SERVICE_UNREACHABLE: { exit: 6, retryable: true },
  /** Whoever answered is not the service that the code, or the identity of the agent, is for. */
  ERR_SERVICE_UNTRUSTED: { exit: 6, retryable: false },
  /** The other side sent what its schema does not allow. */
  ERR_PROTOCOL: failed,
  ERR_METHOD_UNSUPPORTED: refused,
  ERR_LEASE_ENDED: { exit: 1, retryable: true },
  /** The run is not this device's or has ended, or has had all its leases. */
  ERR_LEASE_REFUSED: refused,
  /** The device was silent for too long, or came back without the run. */
  ERR_RUN_LOST: { exit: 1, retryable: true },
  /** The client certificate is missing, of another authority, out of its time, or no longer this device's. */
  ERR_DEVICE_CERTIFICATE: refused,
  ERR_DEVICE_DISABLED: refused,
  /** What is asked for does not fit the state of the task, such as to cancel one that has ended. */
  ERR_TASK_STATE: refused,
  ERR_TASK_DEADLINE: { exit: 1, retryable: true },
  /** A command before or after a backup that the owner of the device does not allow. */
  ERR_HOOK_REFUSED: refused,
  ERR_HOOK_FAILED: failed,
  /** A resource of the service that is not there, or that this person may not know of. */
  ERR_NOT_FOUND: failed,
  ERR_NAME_TAKEN: refused,
  ERR_IN_USE: refused,
  /** The revision in If-Match is not the current one. */
  ERR_CHANGED_MEANWHILE: refused,
  ERR_SECRET_DISABLED: refused,
  /** Signed in, but without the right. */
  ERR_FORBIDDEN: refused,
  /** Name and password are right; a code is missing. */
  ERR_SECOND_FACTOR_NEEDED: refused,
  /** Method, level, key and switch of a saved plan never change. */
  ERR_PLAN_ENCRYPTION_FIXED: refused,
  /** A copy is younger than its retention lock allows to be deleted. */
  ERR_RETENTION_LOCKED: refused,
  /** A backup could not begin before its window closed. */
  ERR_RUN_MISSED: failed,
  /** The service's address is taken, or not one of this machine. */
  ERR_LISTEN: failed,
  /** A copy at the High level is not opened as a disk as long as the policy says so. */
  ERR_INSTANT_ACCESS_LEVEL: refused,
  /** What was typed to confirm is not what it should be. */
  ERR_CONFIRMATION: refused,
  /** A value of the vault is missing, or is not the one that was stored: never the same as "not set". */
  ERR_VAULT_DAMAGED: { exit: 5, retryable: false },
  ERR_VAULT_EXISTS: refused,
  ERR_VAULT_MISSING: failed,
  /** The unlock file is missing, malformed, or others can reach it. */
  ERR_UNLOCK_FILE: refused,
  /** The value of an encryption key never changes. */
  ERR_SECRET_FROZEN: refused,
  ERR_SECRET_IN_USE: refused,
  /** The new value was tried where the password is used, and was refused there. */
  ERR_SECRET_TEST: refused,
  /** If-Match is needed and was not given. */
  ERR_REVISION_NEEDED: { exit: 2, retryable: false },
  /** The person's own password, asked again, was wrong. */
  ERR_PASSWORD_WRONG: refused,
  /** The person has no password here, and has to sign in at the provider again first. */
  ERR_FRESH_SIGN_IN_NEEDED: refused,
  ERR_TOO_MANY_ATTEMPTS: { exit: 7, retryable: true },
  ERR_RECOVERY_KIT: refused,
  /** No device that could carry this out is known or online. */
  ERR_NO_DEVICE: { exit: 1, retryable: true },
  /** Something of ours went wrong; the answer's `id` is in the log. */
  ERR_INTERNAL: { exit: 1, retryable: true },
  /** A request that its schema does not allow. */
  ERR_INPUT: { exit: 2, retryable: false },
  /** Not signed in, or no longer. */
  ERR_SIGN_IN_NEEDED: refused,
  /** Name, password or second factor is wrong: which one is not said. */
  ERR_SIGN_IN_FAILED: refused,
  /** A browser sent it on behalf of another site. */
  ERR_CROSS_SITE: refused,
  ERR_BODY_TOO_LARGE: failed,
  ERR_MEDIA_TYPE: failed,
  /** This Idempotency-Key was used for another request. */
  ERR_IDEMPOTENCY_KEY: refused,
  /** The first request with this Idempotency-Key is not finished. */
  ERR_IN_PROGRESS: { exit: 7, retryable: true },
  /** There is an administrator, or the token is wrong, used or expired. */
  ERR_SETUP: refused,
  /** The token of an invitation is wrong, used or expired. */
  ERR_INVITATION: refused,
  ERR_PASSWORD_WEAK: refused,
  ERR_LAST_ADMINISTRATOR: refused,
  /** The service itself does not call this address, or not in this way: the policy `outbound`. */
  ERR_OUTBOUND_REFUSED: refused,
  /** What the service itself called does not answer, or not as it should. */
  ERR_OUTBOUND_FAILED: { exit: 6, retryable: true },
  /** A mail server, a webhook or a chat did not take a notification. */
  ERR_DELIVERY_REFUSED: failed,
  ERR_DATABASE_NEWER: refused,
  ERR_DATABASE_UNREACHABLE: { exit: 1, retryable: true },
  ERR_DATABASE_BUSY: { exit: 1, retryable: true },
  /** The disk of the service itself, not of a storage (`ERR_STORAGE_FULL`). */
  ERR_DISK_FULL: { exit: 1, retryable: true },
  /** The database is there, but all connections of the service to it have been at work for too long. */
  ERR_DATABASE_OVERLOADED: { exit: 1, retryable: true },
} as const satisfies Record<string, ErrorTraits>;

export type ErrorCode = keyof typeof ERROR_CODES;

/** What an error may say besides its message. Never a secret. */
export interface ErrorContext {
  /** The thing concerned: an object name, a path, a copy id. */
  readonly subject?: string;
  /** What the person can do next, as a sentence. */
  readonly remedy?: string;
  readonly cause?: unknown;
}

/** An expected failure: `message` says what happened to which thing, `remedy` what to do. */
export class AppError extends Error {
  override readonly name = "AppError";
  readonly code: ErrorCode;
  readonly subject: string | undefined;
  readonly remedy: string | undefined;

  constructor(code: ErrorCode, message: string, context: ErrorContext = {}) {
    super(message, context.cause === undefined ? undefined : { cause: context.cause });
    this.code = code;
    this.subject = context.subject;
    this.remedy = context.remedy;
  }

  get retryable(): boolean {
    return ERROR_CODES[this.code].retryable;
  }
}

/** Narrows an unknown value to an {@link AppError}, with exactly this code when one is given. */
export function isAppError(error: unknown, code?: ErrorCode): error is AppError {
  return error instanceof AppError && (code === undefined || error.code === code);
}

/** An {@link AppError} as plain data: what crosses from a worker thread or goes into JSON. */
export interface ErrorRecord {
  readonly code: ErrorCode;
  readonly message: string;
  readonly subject: string | undefined;
  readonly remedy: string | undefined;
}

/** Any thrown value as plain data; what is not an {@link AppError} becomes `ERR_FAILED` with its message. */
export function toErrorRecord(error: unknown): ErrorRecord {
  if (error instanceof AppError) {
    return { code: error.code, message: error.message, subject: error.subject, remedy: error.remedy };
  }
  const message = error instanceof Error ? error.message : String(error);
  return { code: "ERR_FAILED", message, subject: undefined, remedy: undefined };
}

export function fromErrorRecord(record: ErrorRecord): AppError {
  return new AppError(record.code, record.message, {
    ...(record.subject === undefined ? {} : { subject: record.subject }),
    ...(record.remedy === undefined ? {} : { remedy: record.remedy }),
  });
}
