/**
 * Limits by the time of the week, as the times at which they change: computed when a backup is given out, for longer than it
 * will run. So the agent follows them over a change of the clocks, and through a restart of the service, without knowing of time zones.
 *
 * @module
 */
import type { Bandwidth } from "@holdfast/protocol";
import { decodeSchedule, type Schedule, windowAt } from "@holdfast/scheduling";

export interface PaceStep {
  readonly from: number;
  readonly bytesPerSecond: number | null;
}

const DAY_MS = 86_400_000;
/** After that the last limit stays. */
const DAYS_AHEAD = 35;

/** @throws AppError `ERR_USAGE` for a time zone or times that there are not. */
export function checkBandwidth(bandwidth: Bandwidth | null): void {
  if (bandwidth !== null) schedulesOf(bandwidth);
}

/** @param otherwise the limit outside of all windows; null: none. */
export function paceSteps(bandwidth: Bandwidth, otherwise: number | null, now: number): PaceStep[] {
  const tracks = schedulesOf(bandwidth).map((schedule, index) => ({
    schedule,
    bytesPerSecond: bandwidth.windows[index]?.bytesPerSecond ?? null,
    isOpen: false,
    until: now,
  }));
  const steps: PaceStep[] = [];
  let at = now;
  while (at < now + DAYS_AHEAD * DAY_MS) {
    for (const track of tracks.filter(({ until }) => until <= at))
      Object.assign(track, stretchAt(track.schedule, at));
    const open = tracks.find(({ isOpen }) => isOpen);
    const bytesPerSecond = open === undefined ? otherwise : open.bytesPerSecond;
    const last = steps.at(-1);
    if (last === undefined || last.bytesPerSecond !== bytesPerSecond)
      steps.push({ from: at, bytesPerSecond });
    at = Math.min(...tracks.map(({ until }) => until));
  }
  return steps;
}

function stretchAt(schedule: Schedule, at: number): { readonly isOpen: boolean; readonly until: number } {
  const state = windowAt(schedule, at);
  return state.open
    ? { isOpen: true, until: state.closesAt ?? Number.POSITIVE_INFINITY }
    : { isOpen: false, until: state.opensAt };
}

/** A window each; their rules never count. */
function schedulesOf({ timeZone, windows }: Bandwidth): Schedule[] {
  return windows.map(({ weekdays, from, to }) =>
    decodeSchedule({
      timeZone,
      rules: [{ kind: "daily", times: ["00:00"] }],
      window: { allowed: [{ weekdays, from, to }] },
    }),
  );
}
