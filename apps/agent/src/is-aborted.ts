/** Asked anew: what a signal said before an `await` says nothing about now. */
export function isAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}
