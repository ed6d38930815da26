/** When the lease of a run is over, whatever the clocks of the machine and the answers of the service do. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { type AppError, isAppError, newId, systemRandomness } from "@holdfast/kernel";
import type { KeySet } from "@holdfast/repository";
import { RunLeases, type LeasePorts } from "../src/lease/run-leases.ts";
import { newRepository } from "./agent-bench.ts";
import { DEVICE, fakeChannel, LEASE_MS } from "./fake-channel.ts";
import { VirtualClock } from "./virtual-clock.ts";

const repository = newRepository("/nowhere");

interface Scene {
  readonly leases: RunLeases;
  readonly given: readonly { readonly lease: string; readonly until: number }[];
  readonly ends: readonly AppError[];
  /** What came of the agent's own randomness. */
  readonly seeds: readonly Uint8Array[];
}

/** @param answerMs how long the service takes to answer. */
function newScene(clock: VirtualClock, answerMs = 0): Scene {
  const { channel, given } = fakeChannel(() => repository.payload("write"), clock);
  const [ends, seeds]: [AppError[], Uint8Array[]] = [[], []];
  const slow: LeasePorts["channel"] = {
    requestLease: async (...asked) => {
      const answered = await channel.requestLease(...asked);
      return { ...answered, sentMs: answered.sentMs - answerMs };
    },
  };
  const randomness: LeasePorts["randomness"] = (bytes) => {
    seeds.push(bytes);
    return systemRandomness(bytes);
  };
  const ports = { clock, randomness, channel: slow, device: DEVICE };
  const { signal } = new AbortController();
  return {
    leases: new RunLeases(ports, newId("run"), signal, (error) => ends.push(error)),
    given,
    ends,
    seeds,
  };
}

function isZero(keys: KeySet | undefined): boolean {
  return keys?.tableKey.every((byte) => byte === 0) === true;
}

function move({ leases, given }: Scene, clock: VirtualClock, askedMs: number): void {
  const [own] = given;
  leases.take(
    { type: "beat", leases: [{ lease: own?.lease ?? "", until: clock.now() + LEASE_MS }] },
    askedMs,
  );
}

suite("The end of a lease", () => {
  test("comes though the wall clock was set back", async () => {
    const clock = new VirtualClock();
    const { leases, ends } = newScene(clock);
    await leases.begin();
    clock.jump(-10 * LEASE_MS);
    await clock.pass(LEASE_MS + 1000);
    assert.equal(ends.length, 1);
  });

  test("is not put off by an answer that the machine slept over", async () => {
    const clock = new VirtualClock();
    const scene = newScene(clock);
    await scene.leases.begin();
    const askedMs = clock.monotonic();
    clock.jump(LEASE_MS + 1000);
    move(scene, clock, askedMs);
    await clock.pass(15_000);
    assert.equal(scene.ends.length, 1);
  });

  test("counts from the question, and not from its answer", async () => {
    const clock = new VirtualClock();
    const { leases, ends } = newScene(clock, 60_000);
    await leases.begin();
    // By the monotonic clock alone.
    clock.jump(-10 * LEASE_MS);
    await clock.pass(LEASE_MS - 59_000);
    assert.equal(ends.length, 1);
  });

  test("is not brought forward by the answer to an older question", async () => {
    const clock = new VirtualClock();
    const scene = newScene(clock);
    await scene.leases.begin();
    const beginMs = clock.monotonic();
    await clock.pass(60_000);
    move(scene, clock, clock.monotonic());
    await clock.pass(1000);
    move(scene, clock, beginMs);
    await clock.pass(LEASE_MS - 10_000);
    assert.equal(scene.ends.length, 0);
  });

  test("leaves neither its keys nor the key that it was sealed to", async () => {
    const clock = new VirtualClock();
    const { leases, seeds } = newScene(clock);
    await leases.begin();
    assert.ok(seeds.length > 0 && seeds.every((seed) => seed.every((byte) => byte === 0)));
    const { keys } = leases;
    assert.ok(!isZero(keys));
    leases[Symbol.dispose]();
    assert.ok(isZero(keys));
  });

  test("makes a late answer one for nobody", async () => {
    const { leases } = newScene(new VirtualClock());
    const begun = leases.begin();
    leases[Symbol.dispose]();
    await assert.rejects(begun, (error) => isAppError(error, "ERR_LEASE_ENDED"));
    assert.equal(leases.keys, undefined);
    await assert.rejects(leases.sourceOf("any")(), (error) => isAppError(error, "ERR_LEASE_ENDED"));
  });
});
