/**
 * A crash at every point of a scenario where it touches the storage.
 *
 * @module
 */
import type { Storage } from "../contract.ts";
import type { Moment, Operation } from "./fault.ts";
import { FaultStorage, type FaultStorageOptions } from "./fault-storage.ts";
import { faultAt } from "./plans.ts";

export interface CrashPoint {
  readonly moment: Moment;
  /** The put in question left half of its bytes under the final name. */
  readonly residue: "half" | "none";
  /** Where it crashed, or would have: see {@link CrashPoint.crashed}. */
  readonly operation: Operation;
  /** False when this run made fewer calls than the one that was recorded. */
  readonly crashed: boolean;
}

export interface CrashScenario<T extends Storage> {
  /** A storage in the state from which the scenario begins, a new one each time. */
  readonly open: () => Promise<T>;
  /** What the process does that will die. Should make the same calls each time. */
  readonly run: (storage: Storage) => Promise<unknown>;
  /** Looks at what is left, and goes on from there as the next process would. */
  readonly check: (storage: T, point: CrashPoint) => Promise<unknown>;
  /** Also let crashed puts leave half an object. */
  readonly residues?: boolean;
  readonly clock?: FaultStorageOptions["clock"];
}

/** Runs the scenario once without a fault, then with a crash before and after each of its calls; returns the points. */
export async function enumerateCrashes<T extends Storage>(
  scenario: CrashScenario<T>,
): Promise<readonly CrashPoint[]> {
  const points: CrashPoint[] = [];
  for (const operation of await record(scenario)) {
    points.push(await crash(scenario, operation, "before", "none"));
    points.push(await crash(scenario, operation, "after", "none"));
    if (scenario.residues === true && operation.kind === "put") {
      points.push(await crash(scenario, operation, "before", "half"));
    }
  }
  return points;
}

async function record<T extends Storage>(scenario: CrashScenario<T>): Promise<readonly Operation[]> {
  await using inner = await scenario.open();
  await using recorder = new FaultStorage(inner, clockOf(scenario));
  await scenario.run(recorder);
  return recorder.operations;
}

async function crash<T extends Storage>(
  scenario: CrashScenario<T>,
  operation: Operation,
  moment: Moment,
  residue: "half" | "none",
): Promise<CrashPoint> {
  await using inner = await scenario.open();
  const fault = { kind: "crash", moment, ...(residue === "half" ? { residue } : {}) } as const;
  await using storage = new FaultStorage(inner, {
    plan: faultAt(operation.index, fault),
    ...clockOf(scenario),
  });
  try {
    await scenario.run(storage);
  } catch (error) {
    // After a crash any error is that of a dead process; before it, it is the scenario's own.
    if (storage.crashedAt === undefined) throw error;
  }
  const crashed = storage.crashedAt !== undefined;
  const point: CrashPoint = { moment, residue, operation: storage.crashedAt ?? operation, crashed };
  await scenario.check(inner, point);
  return point;
}

function clockOf(scenario: Pick<CrashScenario<Storage>, "clock">): Pick<FaultStorageOptions, "clock"> {
  return scenario.clock === undefined ? {} : { clock: scenario.clock };
}
