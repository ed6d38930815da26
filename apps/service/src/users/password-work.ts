/**
 * Hashing of passwords, a few at a time: each takes 64 MiB and a third of a second, which nobody may have as often as they
 * like.
 *
 * @module
 */
import {
  ARGON2_DEFAULT,
  type Argon2Parameters,
  hashPassword,
  isHashOutdated,
  verifyPassword,
} from "@holdfast/crypto";
import type { Randomness } from "@holdfast/kernel";
import { RetryLaterError } from "../http/problems.ts";

const AT_ONCE_MAX = 2;
const WAITING_MAX = 40;
const RETRY_MS = 3000;

export interface PasswordWork {
  readonly hash: (password: string) => Promise<string>;
  /** With undefined, of an unknown name: the same work, and false. */
  readonly verify: (password: string, phc: string | undefined) => Promise<boolean>;
  readonly isOutdated: (phc: string) => boolean;
}

/** @param parameters for tests, which would take minutes otherwise. */
export function createPasswordWork(
  randomness: Randomness,
  parameters: Argon2Parameters = ARGON2_DEFAULT,
): PasswordWork {
  const queued = createQueue();
  const hash = (password: string): Promise<string> => hashPassword(password, parameters, randomness);
  let nobody: Promise<string> | undefined;
  return {
    hash: (password) => queued(() => hash(password)),
    verify: (password, phc) =>
      queued(async () => {
        if (phc !== undefined) return verifyPassword(password, phc);
        nobody ??= hash("nobody's password");
        await verifyPassword(password, await nobody);
        return false;
      }),
    isOutdated: (phc) => isHashOutdated(phc, parameters),
  };
}

function createQueue(): <T>(work: () => Promise<T>) => Promise<T> {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async (work) => {
    if (running >= AT_ONCE_MAX) {
      if (waiting.length >= WAITING_MAX) {
        throw new RetryLaterError("ERR_TOO_MANY_ATTEMPTS", "Too many people sign in at once.", RETRY_MS);
      }
      // Whoever ends hands its place over.
      await new Promise<void>((resolve) => {
        waiting.push(resolve);
      });
    } else running += 1;
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) running -= 1;
      else next();
    }
  };
}
