/**
 * Who in this process waits for bytes of which task. Each is waited for once, and taken once.
 *
 * @module
 */
import { RetryLaterError } from "../http/problems.ts";
import type { Transfer } from "./transfer.ts";

const PROCESS_MAX = 32;
const USER_MAX = 4;
const RETRY_MS = 10_000;

export interface Awaited {
  /** Resolves when the device has begun. */
  readonly arrival: Promise<Transfer>;
}

export interface Transfers {
  /** `https://HOST:PORT` where devices reach this very process; undefined until it listens. */
  readonly ownAddress: () => string | undefined;
  readonly setOwnAddress: (url: string) => void;
  /** Counts a download of a user; the place is free again after `leave`. @throws AppError `ERR_TOO_MANY_ATTEMPTS`. */
  readonly enter: (userId: string) => { readonly leave: () => void };
  /** Waits for the upload of a task, which this device alone may send. */
  readonly expect: (taskId: string, deviceId: string) => Awaited;
  /** Waits no more; harmless after the upload has come. */
  readonly forget: (taskId: string) => void;
  /** @returns where to hand the transfer to; undefined when nobody waits for it here, or another device was to send it. */
  readonly claim: (taskId: string, deviceId: string) => ((transfer: Promise<Transfer>) => void) | undefined;
}

interface Waiting {
  readonly deviceId: string;
  readonly resolve: (transfer: Promise<Transfer>) => void;
}

export function createTransfers(): Transfers {
  const waiting = new Map<string, Waiting>();
  const users = new Map<string, number>();
  let all = 0;
  let address: string | undefined;
  return {
    ownAddress: () => address,
    setOwnAddress: (url) => {
      address = url;
    },
    enter: (userId) => {
      const own = users.get(userId) ?? 0;
      if (own >= USER_MAX || all >= PROCESS_MAX) {
        const who = own >= USER_MAX ? "of yours " : "";
        throw new RetryLaterError("ERR_TOO_MANY_ATTEMPTS", `Too many downloads ${who}are running.`, RETRY_MS);
      }
      users.set(userId, own + 1);
      all += 1;
      let isIn = true;
      const leave = (): void => {
        if (!isIn) return;
        isIn = false;
        all -= 1;
        const left = (users.get(userId) ?? 1) - 1;
        if (left === 0) users.delete(userId);
        else users.set(userId, left);
      };
      return { leave };
    },
    expect: (taskId, deviceId) => {
      const { promise, resolve } = Promise.withResolvers<Transfer>();
      // Who waits may have stopped meanwhile.
      promise.catch(() => undefined);
      waiting.set(taskId, { deviceId, resolve });
      return { arrival: promise };
    },
    forget: (taskId) => void waiting.delete(taskId),
    claim: (taskId, deviceId) => {
      const found = waiting.get(taskId);
      if (found?.deviceId !== deviceId) return undefined;
      waiting.delete(taskId);
      return found.resolve;
    },
  };
}
