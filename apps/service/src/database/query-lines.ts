/**
 * Tells queries of requests, of starts and of what else goes on apart: however much is asked, and whatever devices tell, backups start
 * in time.
 *
 * @module
 */
import { AsyncLocalStorage } from "node:async_hooks";

/** Where a query stands in line. */
export type Line = "requests" | "starts" | "others";

const lines = new AsyncLocalStorage<Line>();

/** The queries of `work` are those of a request. */
export function asRequest<T>(work: () => T): T {
  return lines.run("requests", work);
}

/** The queries of `work` start what is due: a device that has nothing to do yet comes before one that is at work. */
export function asStart<T>(work: () => T): T {
  return lines.run("starts", work);
}

/** What a request, or a start, has only set going. */
export function besideRequest<T>(work: () => T): T {
  return lines.run("others", work);
}

export function lineOfCaller(): Line {
  return lines.getStore() ?? "others";
}
