/** How much a run of the benchmark of the service has. */

export interface Scale {
  readonly agents: number;
  /** With schedules. */
  readonly plans: number;
  readonly copies: number;
  /** In history, each with a run, three events, a lease and an audit row. */
  readonly tasks: number;
  /** Requests each second. */
  readonly rate: number;
  readonly seconds: number;
  /** Plans that start at one moment, after the requests. */
  readonly burst: number;
}

/** What is asked of one process. */
export const FULL: Scale = {
  agents: 1000,
  plans: 10_000,
  copies: 100_000,
  tasks: 1_000_000,
  rate: 200,
  seconds: 60,
  burst: 250,
};

/** Ends within a minute; says whether it works, not how fast it is. */
export const QUICK: Scale = {
  agents: 100,
  plans: 1000,
  copies: 5000,
  tasks: 50_000,
  rate: 100,
  seconds: 15,
  burst: 0,
};

/** People at the same time: each with an address and a session or token of their own, as the rate limits want it. */
export const PEOPLE = 40;

/** Plans without a schedule, which people start. */
export const MANUAL_PLANS = 200;

/** Every so many minutes each plan runs, so that about eight start each second. */
export function intervalMinutes({ plans }: Scale): number {
  const wanted = plans / 500;
  return [1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 16, 18, 20, 24, 30].find((minutes) => minutes >= wanted) ?? 30;
}

export function planId(index: number): string {
  return `plan_${String(index).padStart(26, "0")}`;
}

export function taskId(index: number): string {
  return `task_${String(index).padStart(26, "0")}`;
}

export function deviceId(index: number): string {
  return `dev_${String(index).padStart(26, "0")}`;
}

/** Spread over the whole range, as real ids are. */
export function copyId(index: number): string {
  const hash = Number((BigInt(index) * 2_654_435_761n) % 4_294_967_296n);
  return hash.toString(16).padStart(8, "0") + index.toString(16).padStart(56, "0");
}
