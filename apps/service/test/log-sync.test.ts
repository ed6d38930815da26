/** What was committed is on the disk before anybody is told. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { isAppError } from "@holdfast/kernel";
import { createLogSync } from "../src/database/log-sync.ts";

const folder = mkdtempSync(join(tmpdir(), "hf-log-sync-"));
const path = join(folder, "log");
writeFileSync(path, "");
after(() => rmSync(folder, { recursive: true, force: true }));

/** Syncs that end when they are told to. */
function heldSyncs() {
  const running: PromiseWithResolvers<void>[] = [];
  const sync = (): Promise<void> => {
    const held = Promise.withResolvers<void>();
    running.push(held);
    return held.promise;
  };
  const started = async (count: number): Promise<PromiseWithResolvers<void>> => {
    while (running.length < count) await turn();
    const last = running[count - 1];
    assert.ok(last !== undefined);
    return last;
  };
  return { sync, started, count: () => running.length };
}

function watch(promise: Promise<void>): { readonly isDone: () => boolean } {
  let isDone = false;
  const wait = async (): Promise<void> => {
    await promise;
    isDone = true;
  };
  void wait();
  return { isDone: () => isDone };
}

suite("sync of the log", () => {
  test("who comes while one sync runs waits for the next, together with all others", async () => {
    const { sync, started, count } = heldSyncs();
    const log = createLogSync(path, sync);
    const first = watch(log.written());
    const running = await started(1);
    const others = [log.written(), log.written(), log.settled()];
    const second = watch(others[0] ?? Promise.resolve());
    running.resolve();
    const next = await started(2);
    assert.ok(first.isDone());
    await turn();
    assert.ok(!second.isDone(), "what was committed after the sync had begun may not be in it");
    next.resolve();
    await Promise.all(others);
    assert.equal(count(), 2);
    await log.close();
  });

  test("nothing is waited for when nothing was written", async () => {
    const { sync, count } = heldSyncs();
    const log = createLogSync(path, sync);
    await log.settled();
    assert.equal(count(), 0);
    await log.close();
  });

  test("who reads waits for what others have written", async () => {
    const { sync, started } = heldSyncs();
    const log = createLogSync(path, sync);
    const written = log.written();
    const reader = watch(log.settled());
    const running = await started(1);
    await turn();
    assert.ok(!reader.isDone());
    running.resolve();
    await written;
    await log.settled();
    assert.ok(reader.isDone());
    await log.close();
  });

  test("after a sync that failed nothing is written any more", async () => {
    const { sync, started, count } = heldSyncs();
    const log = createLogSync(path, sync);
    const isLost = (error: unknown): boolean => isAppError(error, "ERR_DATABASE_UNREACHABLE");
    const both = Promise.allSettled([log.written(), log.written()]);
    const running = await started(1);
    running.reject(new Error("EIO: i/o error, fdatasync"));
    const outcomes = await both;
    assert.ok(outcomes.every((outcome) => outcome.status === "rejected" && isLost(outcome.reason)));
    assert.throws(() => log.check(), isLost);
    await assert.rejects(log.written(), isLost);
    await assert.rejects(log.settled(), isLost);
    assert.equal(count(), 1);
    await log.close();
  });
});
