/**
 * An agent that reaches its service through an HTTP proxy alone: it enrols and backs up, lives through the death of the proxy and
 * a restart of the service.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { suite, test, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { kill, startScene } from "./scene.ts";

const PROGRAM = join(import.meta.dirname, "connect-proxy.ts");
/** Nobody but the proxy can reach this name (RFC 6761, section 6.4). */
const HOST = "backup.company.invalid";
const WAIT_MS = 90_000;

interface Proxy {
  readonly port: number;
  readonly child: ChildProcess;
  /** Where it was asked to connect to. */
  readonly asked: readonly string[];
}

async function startProxy(context: TestContext, port = 0): Promise<Proxy> {
  const child = spawn(process.execPath, [PROGRAM, String(port)], { stdio: ["ignore", "pipe", "inherit"] });
  context.after(() => child.kill("SIGKILL"));
  assert(child.stdout !== null);
  const lines = createInterface(child.stdout);
  const [line] = await once(lines, "line");
  const asked: string[] = [];
  lines.on("line", (target: string) => asked.push(target));
  return { port: Number(line), child, asked };
}

suite("an agent behind a proxy", () => {
  test("works through it alone, and comes back when it or the service does", {
    timeout: 300_000,
  }, async (context) => {
    const proxy = await startProxy(context);
    const scene = await startScene(context, ["--no-worker"], {
      url: (service) => `https://${HOST}:${new URL(service).port}`,
      env: { HTTPS_PROXY: `http://127.0.0.1:${String(proxy.port)}` },
    });
    const { api, bench, ended } = scene;
    const target = `${HOST}:${new URL(scene.url).port}`;
    const device = await scene.addAgent("one");
    const source = bench.path("source");
    mkdirSync(source);
    const storage = await api.ok("POST", "/storages", { name: "nas", location: bench.path("storage") });
    const plan = await api.ok("POST", "/plans", {
      name: "nightly",
      devices: [device],
      paths: [source],
      storage: storage["id"],
      encryption: null,
      bytesPerSecond: 2_000_000,
    });
    const online = async (wanted: boolean): Promise<void> => {
      const end = performance.now() + WAIT_MS;
      while ((await api.ok("GET", `/devices/${device}`))["online"] !== wanted) {
        assert(performance.now() < end, `the device did not get ${wanted ? "on" : "off"}line`);
        await sleep(50);
      }
    };
    const begin = async (): Promise<string> => {
      writeFileSync(join(source, "file"), randomBytes(8_000_000));
      const { tasks } = await api.ok("POST", `/plans/${String(plan["id"])}/run`, {});
      assert(Array.isArray(tasks));
      const task = String(tasks[0]);
      const end = performance.now() + WAIT_MS;
      while ((await api.ok("GET", `/tasks/${task}`))["startedAt"] === null) {
        assert(performance.now() < end, "the backup did not begin");
        await sleep(50);
      }
      return task;
    };
    const succeeded = async (task: string): Promise<void> => {
      const { state, error, attempt } = await ended(task);
      assert.equal(state, "succeeded", `${JSON.stringify(error)}\n${scene.complaints()}`);
      assert.equal(attempt, 1, "the agent went on by itself");
    };
    await online(true);
    assert(proxy.asked.length >= 3, "enrolment takes two connections, the channel one");

    const first = await begin();
    await kill(proxy.child);
    await online(false);
    const again = await startProxy(context, proxy.port);
    await online(true);
    await succeeded(first);
    assert(again.asked.length > 0);

    const second = await begin();
    await scene.stopService();
    await scene.restartService();
    await succeeded(second);
    assert.deepEqual([...new Set([...proxy.asked, ...again.asked])], [target]);
  });
});
