/**
 * Tells queries of requests from those that plans and agents wait for: however much is asked, backups start in time.
 *
 * @module
 */
import { AsyncLocalStorage } from "node:async_hooks";

const requests = new AsyncLocalStorage<boolean>();

/** The queries of `work` are those of a request. */
export function asRequest<T>(work: () => T): T {
  return requests.run(true, work);
}

/** What a request has only set going. */
export function besideRequest<T>(work: () => T): T {
  return requests.run(false, work);
}

/** Whether the caller is at work for a request. */
export function isOfRequest(): boolean {
  return requests.getStore() === true;
}
