/** Commands before and after a backup: only the owner's, word for word, for a limited time. */
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { suite, test, type TestContext } from "node:test";
import { AppError, type Clock, type ErrorCode, isAppError, systemClock } from "@holdfast/kernel";
import { checkHookAllowed } from "../src/hooks/allowed-hooks.ts";
import { runHook } from "../src/hooks/run-hook.ts";
import { withHooks } from "../src/hooks/with-hooks.ts";
import type { TaskContext } from "../src/tasks/task-context.ts";

const hasCode =
  (code: ErrorCode) =>
  (error: unknown): boolean =>
    isAppError(error, code);

interface Scene {
  readonly stateDir: string;
  readonly path: (name: string) => string;
  readonly allow: (...commands: readonly (readonly string[])[]) => void;
  readonly context: TaskContext;
  readonly lines: string[];
  readonly warnings: string[];
}

function newScene(context: TestContext, signal = new AbortController().signal): Scene {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-hooks-"));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  const stateDir = join(folder, "state");
  mkdirSync(stateDir, { mode: 0o700 });
  const [lines, warnings]: [string[], string[]] = [[], []];
  return {
    stateDir,
    path: (name) => join(folder, name),
    allow: (...commands) =>
      writeFileSync(join(stateDir, "hooks.json"), JSON.stringify({ commands }), { mode: 0o600 }),
    lines,
    warnings,
    context: {
      signal,
      clock: systemClock,
      host: "web1",
      stateDir,
      hasModes: true,
      keys: undefined,
      warn: ({ code }) => warnings.push(code),
      log: (_, text) => lines.push(text),
      progress: () => undefined,
      openStorage: () => Promise.reject(new Error("no storage")),
      upload: () => assert.fail("nothing is uploaded"),
      repositoryPorts: () => assert.fail("no repository"),
    },
  };
}

/** A process that has ended and that nobody has asked for yet is none. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return process.platform !== "linux" || !/\) Z /u.test(readFileSync(`/proc/${String(pid)}/stat`, "utf8"));
  } catch {
    return false;
  }
}

const shell = (script: string): string[] => ["/bin/sh", "-c", script];

suite("A hook", { timeout: 600_000 }, () => {
  test("is allowed word for word only", async (context) => {
    const { stateDir, allow } = newScene(context);
    const check = (...command: string[]): Promise<void> => checkHookAllowed(stateDir, true, command);
    await assert.rejects(check("/bin/true"), hasCode("ERR_HOOK_REFUSED"));
    allow(["/bin/true", "one word"], ["relative"]);
    await check("/bin/true", "one word");
    for (const command of [
      ["/bin/true"],
      ["/bin/true", "one", "word"],
      ["/bin/true", "one word", ""],
      ["relative"],
    ]) {
      await assert.rejects(check(...command), hasCode("ERR_HOOK_REFUSED"));
    }
    chmodSync(join(stateDir, "hooks.json"), 0o620);
    await assert.rejects(check("/bin/true", "one word"), hasCode("ERR_AGENT_STATE"));
  });

  test("runs without a shell, with little in its environment", async (context) => {
    const { lines, context: task } = newScene(context);
    process.env["HOLDFAST_TEST_SECRET"] = "secret text";
    context.after(() => delete process.env["HOLDFAST_TEST_SECRET"]);
    const ports = { clock: systemClock, signal: task.signal, log: task.log };
    await runHook(
      { command: ["/usr/bin/env"], timeoutMs: 50_000, variables: { HOLDFAST_PLAN: "Nightly" } },
      ports,
    );
    assert.ok(lines.includes("HOLDFAST_PLAN=Nightly"));
    assert.ok(!lines.join("\n").includes("secret text"));
    await runHook({ command: ["/bin/echo", "$HOME;`id`"], timeoutMs: 50_000, variables: {} }, ports);
    assert.equal(lines.at(-1), "$HOME;`id`");
  });

  test("that fails, is missing or takes too long is an error", async (context) => {
    const { context: task, lines } = newScene(context);
    const run = (command: readonly string[], clock = systemClock): Promise<void> =>
      runHook({ command, timeoutMs: 50_000, variables: {} }, { clock, signal: task.signal, log: task.log });
    await assert.rejects(run(["/bin/false"]), hasCode("ERR_HOOK_FAILED"));
    await assert.rejects(run(["/nowhere"]), hasCode("ERR_HOOK_FAILED"));
    // What it started ends with it. Its time is over when it has started something.
    const clock: Clock = {
      ...systemClock,
      sleep: async (ms, signal) => {
        if (ms !== 50_000) return systemClock.sleep(ms, signal);
        while (lines.length === 0) await systemClock.sleep(10, signal);
        return undefined;
      },
    };
    await assert.rejects(
      run(shell("sleep 600 >/dev/null 2>&1 & echo $!; sleep 600"), clock),
      (error) => isAppError(error, "ERR_HOOK_FAILED") && error.message.includes("did not end within"),
    );
    assert.match(lines[0] ?? "", /^\d+$/u);
    while (isAlive(Number(lines[0]))) await systemClock.sleep(10);
  });

  test("ends with its run", async (context) => {
    const abort = new AbortController();
    const { context: task } = newScene(context, abort.signal);
    const reason = new AppError("ERR_CANCELLED", "Enough.");
    const running = runHook(
      { command: ["/bin/sleep", "60"], timeoutMs: 60_000, variables: {} },
      { clock: systemClock, signal: task.signal, log: task.log },
    );
    abort.abort(reason);
    await assert.rejects(running, (error) => error === reason);
  });

  test("comes with bounded output", async (context) => {
    const { context: task, lines } = newScene(context);
    const ports = { clock: systemClock, signal: task.signal, log: task.log };
    await runHook(
      { command: shell("seq 1000; head -c 100000 /dev/zero | tr '\\0' x"), timeoutMs: 50_000, variables: {} },
      ports,
    );
    assert.equal(lines.length, 201);
    assert.match(lines.at(-1) ?? "", /^80[01] more lines/u);
  });

  test("around a backup: both are checked first, and the second one runs however it ended", async (context) => {
    const { context: task, allow, path, warnings } = newScene(context);
    const out = path("outcome");
    const [before, after] = [
      { command: ["/bin/true"], timeoutMs: 50_000 },
      { command: shell(`echo $HOLDFAST_OUTCOME >> '${out}'`), timeoutMs: 50_000 },
    ];
    allow(before.command);
    let worked = 0;
    const work = (): Promise<number> => {
      worked += 1;
      return Promise.resolve(worked);
    };
    await assert.rejects(withHooks({ before, after }, task, work), hasCode("ERR_HOOK_REFUSED"));
    assert.equal(worked, 0);
    allow(before.command, after.command, ["/bin/false"]);
    assert.equal(await withHooks({ before, after }, task, work), 1);
    await assert.rejects(
      withHooks({ after }, task, () => Promise.reject(new Error("damage"))),
      /damage/u,
    );
    const failing = { command: ["/bin/false"], timeoutMs: 50_000 };
    await assert.rejects(withHooks({ before: failing, after }, task, work), hasCode("ERR_HOOK_FAILED"));
    assert.equal(worked, 1);
    assert.equal(readFileSync(out, "utf8"), "succeeded\nfailed\nfailed\n");
    assert.equal(await withHooks({ after: failing }, task, work), 2);
    assert.deepEqual(warnings, ["ERR_HOOK_FAILED"]);
  });
});
