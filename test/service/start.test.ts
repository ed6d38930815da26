/** What `serve` says of a place that it cannot work in. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { text } from "node:stream/consumers";
import { suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Bench } from "../../apps/command/test/run-holdfast.ts";
import { startScene, startServe } from "./scene.ts";

/** The process of the worker, when it is not that one. */
async function workerOf(bench: Bench, other: number): Promise<number> {
  const path = bench.path("service", "worker", "status.json");
  for (;;) {
    const said = existsSync(path) ? readFileSync(path, "utf8") : "";
    const found = Number(/"processId":(\d+)/u.exec(said)?.[1] ?? other);
    if (found !== other) return found;
    await sleep(100);
  }
}

function isRunning(processId: number): boolean {
  try {
    process.kill(processId, 0);
    return true;
  } catch {
    return false;
  }
}

suite("serve", () => {
  test("that is killed takes its worker with it, and the next one has its own", {
    timeout: 180_000,
  }, async (context) => {
    const { bench, killService } = await startScene(context, []);
    const first = await workerOf(bench, 0);
    await killService();
    while (isRunning(first)) await sleep(100);
    const { running } = await startServe(bench, "127.0.0.1:0", []);
    const second = await workerOf(bench, first);
    assert.doesNotMatch(running.complaints(), /Another agent/u);
    const ended = once(running.child, "exit");
    running.child.kill("SIGTERM");
    await ended;
    assert(!isRunning(second));
  });

  test("leaves a data folder to the process that works with it, until that is gone", {
    timeout: 180_000,
  }, async (context) => {
    const { api, bench, killService } = await startScene(context, ["--no-worker"]);
    const places = ["--data", bench.path("service"), "--unlock-file", bench.path("keys", "unlock")];
    const refused = await failed(["serve", ...places, "--listen", "127.0.0.1:0", "--no-worker"]);
    assert.equal(refused.exit, 7);
    assert.match(refused.said, /Another process of the service works with .*holdfast\.sqlite/u);
    assert.match(refused.said, /--data/u);
    // The first one goes on, and its lock went with it when it was killed.
    await api.ok("POST", "/devices/enrolment-codes", {});
    await killService();
    const { running } = await startServe(bench, "127.0.0.1:0", ["--no-worker"]);
    const ended = once(running.child, "exit");
    running.child.kill("SIGTERM");
    await ended;

    // Nor is a place that cannot be used a fault of the program.
    writeFileSync(bench.path("a-file"), "");
    for (const [option, place] of [
      ["--data", bench.path("a-file")],
      ["--unlock-file", bench.path("a-file", "unlock")],
    ] as const) {
      const others = option === "--data" ? [] : ["--data", bench.path("another")];
      const { exit, said } = await failed(["serve", "--listen", "127.0.0.1:0", ...others, option, place]);
      assert.notEqual(exit, 0);
      assert.ok(said.includes(bench.path("a-file")) && said.includes(option), said);
      assert.doesNotMatch(said, /fault of the program/u);
    }

    async function failed(given: readonly string[]): Promise<{ exit: unknown; said: string }> {
      const child = bench.start(given);
      assert(child.stderr !== null);
      const [said, [exit]] = await Promise.all([text(child.stderr), once(child, "exit")]);
      return { exit, said };
    }
  });
});
