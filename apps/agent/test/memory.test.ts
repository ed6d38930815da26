/** What is left in an agent's memory after its runs: nothing of what their leases held. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import process from "node:process";
import { suite, test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { newId } from "@holdfast/kernel";
import type { AgentTask, LeasePayload } from "@holdfast/protocol";
import { enroll } from "../src/index.ts";
import {
  noCoreImage,
  valuesInCoreImage,
  valuesInMemory,
  WITH_CORE_IMAGE,
} from "../../../test/memory-image.ts";
import {
  backupTask,
  type Bench,
  newBench,
  newRepository,
  resultOf,
  type TestRepository,
  writeTree,
} from "./agent-bench.ts";

const AGENT = fileURLToPath(new URL("./agent-process.ts", import.meta.url));

/** In both forms that they come in. */
function secretsOf(...payloads: readonly LeasePayload[]): Record<string, Uint8Array> {
  const values: Record<string, Uint8Array> = {};
  for (const { repository } of payloads) {
    for (const name of ["tableKey", "idKey", "chunkerKey", "privateSeed"] as const) {
      const text = repository?.[name];
      if (text === undefined) continue;
      values[name] = Buffer.from(text, "base64");
      values[`${name} as text`] = Buffer.from(text);
    }
  }
  return values;
}

interface AgentProcess extends AsyncDisposable {
  readonly pid: number;
  readonly child: ChildProcess;
  /** Where it works, and its core image would be. */
  readonly folder: string;
}

/** To be ended before its folder is removed: it writes there. */
async function startAgent({ service, stateDir, path }: Bench): Promise<AgentProcess> {
  await enroll({ service: service.url, code: service.newCode(), stateDir, environment: {} });
  const folder = path("core");
  mkdirSync(folder);
  const [shell, ...rest] = [...WITH_CORE_IMAGE, process.execPath, AGENT, stateDir];
  const child = spawn(shell, rest, { cwd: folder, stdio: ["pipe", "ignore", "inherit"] });
  const ended = once(child, "exit");
  await service.until(() => service.seen("hello").length > 0);
  assert.ok(child.pid !== undefined);
  return {
    pid: child.pid,
    child,
    folder,
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await ended;
    },
  };
}

async function newScene(
  context: TestContext,
): Promise<{ readonly bench: Bench; readonly repository: TestRepository }> {
  const bench = await newBench(context);
  writeTree(bench.path("source"), 2_000_000);
  return { bench, repository: newRepository(bench.path("storage")) };
}

const skip = process.platform === "linux" ? false : "reads /proc";

suite("The memory of an agent", { skip, timeout: 600_000 }, () => {
  test("holds keys while a run needs them, and none of them afterwards", async (context) => {
    const { bench, repository } = await newScene(context);
    await using agent = await startAgent(bench);
    const { pid } = agent;
    const { service, path } = bench;
    const write = repository.payload("write");
    service.script.grant = () => write;
    // Slow, so that there is something to be seen: the test of the test.
    const slow = service.start(backupTask(repository, [path("source")], { bytesPerSecond: 100_000 }));
    await service.until(() => service.leasesGiven === 1);
    const during = secretsOf(write);
    while (!valuesInMemory(pid, during).includes("idKey"))
      await new Promise((resolve) => setTimeout(resolve, 50));
    service.send({ type: "cancel", run: slow, reason: "" });
    assert.equal((await service.end(slow)).kind, "cancelled");
    assert.deepEqual(valuesInMemory(pid, during), []);

    const { copy } = resultOf(
      "backup",
      await service.end(service.start(backupTask(repository, [path("source")]))),
    );
    assert.deepEqual(valuesInMemory(pid, during), []);

    const read = repository.payload("read");
    service.script.grant = () => read;
    const restore: AgentTask = {
      ...repository.common(),
      kind: "restore",
      copy: copy.id,
      target: path("target"),
      include: [],
      existing: "skip",
    };
    const verify: AgentTask = { ...repository.common(), kind: "verify", readData: true, copies: [] };
    const browse: AgentTask = { ...repository.common(), kind: "browse", copy: copy.id, path: "", limit: 10 };
    for (const task of [restore, verify, browse]) {
      resultOf(task.kind, await service.end(service.start(task, newId("run"))));
      assert.deepEqual(valuesInMemory(pid, secretsOf(read)), [], task.kind);
    }
    if (noCoreImage() !== false) return;
    const known = { program: Buffer.from("agent-process.ts") };
    const values = { ...secretsOf(write, read), ...known };
    assert.deepEqual(await valuesInCoreImage(agent.child, values, agent.folder), ["program"]);
  });
});
