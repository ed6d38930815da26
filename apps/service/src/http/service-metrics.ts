/**
 * What this process measures of itself while it works: how late schedules and tasks are, how long the database takes, how long the
 * event loop is held, and what the housekeeping deletes. Labels have few values: never an id.
 *
 * @module
 */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { createHistogram, type MetricFamily } from "./exposition.ts";

const WAIT_SECONDS = [0.05, 0.2, 1, 5, 30, 300];
const DATABASE_SECONDS = [0.001, 0.005, 0.02, 0.1, 0.5, 2];
const LOOP_RESOLUTION_MS = 10;
const QUANTILES = [50, 99, 100];
/** What was measured longer ago says nothing of now. */
const LOOP_WINDOW_MS = 60_000;

export interface ServiceMetrics {
  /** From the planned start of a run to its task. */
  readonly scheduled: (lateMs: number) => void;
  /** From when a task could be given out to when its device is told. */
  readonly handedOut: (waitMs: number) => void;
  /** One query, with the time that it waited for its turn. */
  readonly queried: (kind: string, milliseconds: number) => void;
  readonly deleted: (kind: string, count: number) => void;
  readonly keptHouse: () => void;
  readonly collect: () => readonly MetricFamily[];
  readonly stop: () => void;
}

export function createServiceMetrics(): ServiceMetrics {
  const late = createHistogram(
    "holdfast_schedule_lag_seconds",
    "From the planned start of a run to its task.",
    WAIT_SECONDS,
  );
  const wait = createHistogram(
    "holdfast_task_wait_seconds",
    "From when a task could be given out to when its device was told.",
    WAIT_SECONDS,
  );
  const database = createHistogram(
    "holdfast_database_seconds",
    "How long queries took, with the wait for their turn.",
    DATABASE_SECONDS,
  );
  const deleted = new Map<string, number>();
  const loop = createLoopDelay();
  let keptHouseAt: number | undefined;
  return {
    scheduled: (lateMs) => late.observe({}, lateMs / 1000),
    handedOut: (waitMs) => wait.observe({}, waitMs / 1000),
    queried: (kind, milliseconds) => database.observe({ kind }, milliseconds / 1000),
    deleted: (kind, count) => {
      deleted.set(kind, (deleted.get(kind) ?? 0) + count);
    },
    keptHouse: () => {
      keptHouseAt = Date.now();
    },
    collect: () => [
      late.collect(),
      wait.collect(),
      database.collect(),
      loop.collect(),
      {
        name: "holdfast_housekeeping_deleted_total",
        help: "What the housekeeping of this process has deleted.",
        type: "counter",
        samples: [...deleted].map(([kind, value]) => ({ labels: { kind }, value })),
      },
      {
        name: "holdfast_housekeeping_finished_timestamp_seconds",
        help: "When this process last deleted all that was too old, since 1970.",
        type: "gauge",
        samples: keptHouseAt === undefined ? [] : [{ value: Math.floor(keptHouseAt / 1000) }],
      },
    ],
    stop: loop.stop,
  };
}

/** How much later than wanted timers run: what a request waits for at least. */
function createLoopDelay(): { readonly collect: () => MetricFamily; readonly stop: () => void } {
  const delay = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });
  delay.enable();
  // Two halves of a window, so that a look never finds an empty one.
  let before: readonly number[] = QUANTILES.map(() => 0);
  const read = (): number[] =>
    delay.count === 0
      ? QUANTILES.map(() => 0)
      : QUANTILES.map((quantile) =>
          Math.max(0, delay.percentile(quantile) / 1e9 - LOOP_RESOLUTION_MS / 1000),
        );
  const timer = setInterval(() => {
    before = read();
    delay.reset();
  }, LOOP_WINDOW_MS / 2).unref();
  return {
    collect: () => {
      const now = read();
      return {
        name: "holdfast_event_loop_delay_seconds",
        help: "How long the event loop was held, in the last minute.",
        type: "gauge",
        samples: QUANTILES.map((quantile, index) => ({
          labels: { quantile: String(quantile / 100) },
          value: Math.max(now[index] ?? 0, before[index] ?? 0),
        })),
      };
    },
    stop: () => {
      clearInterval(timer);
      delay.disable();
    },
  };
}
