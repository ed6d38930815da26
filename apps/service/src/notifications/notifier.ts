/**
 * Looks every few seconds what there is to send, and every minute what there is to tell.
 *
 * @module
 */
import type { Clock } from "@holdfast/kernel";
import { type ConditionDependencies, raiseConditions } from "./conditions.ts";
import { deliverDue, type DeliveryDependencies, removeOld } from "./deliveries.ts";

const LOOK_MS = 3000;
const CONDITIONS_MS = 60_000;

export interface Notifier {
  /** Resolves when what is being sent has been taken, or refused. */
  readonly stop: () => Promise<void>;
}

/** @param onError what a look failed with; the next one comes all the same. */
export function startNotifier(
  dependencies: DeliveryDependencies & ConditionDependencies & { readonly clock: Clock },
  onError: (error: unknown) => void,
): Notifier {
  const { clock } = dependencies;
  const stopping = new AbortController();
  const since = clock.now();
  let looked = Number.NEGATIVE_INFINITY;
  const lookAtConditions = async (): Promise<void> => {
    if (clock.monotonic() - looked < CONDITIONS_MS) return;
    looked = clock.monotonic();
    await raiseConditions(dependencies, since);
    await removeOld(dependencies);
  };
  const run = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      await lookAtConditions().catch(onError);
      const made = await deliverDue(dependencies).catch((error: unknown) => {
        onError(error);
        return 0;
      });
      // Where there was something, there may be more.
      if (made === 0) await clock.sleep(LOOK_MS, stopping.signal).catch(() => undefined);
    }
  };
  const done = run();
  return {
    stop: async () => {
      stopping.abort();
      await done;
    },
  };
}
