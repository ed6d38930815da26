/** A scene with a device whose files are backed up into copies. */
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { taskResults } from "@holdfast/protocol";
import { type Scene, startScene } from "./scene.ts";

const PASSPHRASE = "correct horse battery staple";
const LOOK_MS = 100;
const PATIENCE_MS = 60_000;

export interface Site extends Scene {
  readonly source: string;
  readonly device: string;
  readonly plan: string;
  /** Backs up and returns the copy's id. */
  readonly backUp: () => Promise<string>;
}

/**
 * @param fill makes what is backed up.
 * @param more arguments of `serve`.
 */
export async function startSite(
  context: TestContext,
  fill: (source: string) => void | Promise<void>,
  more: readonly string[] = [],
): Promise<Site> {
  const scene = await startScene(context, ["--no-worker", ...more]);
  const { api, bench } = scene;
  const source = bench.path("source");
  mkdirSync(source);
  await fill(source);
  const device = await scene.addAgent("one");
  const value = PASSPHRASE;
  const key = { kind: "encryption-key", name: "key", value, confirmation: value };
  const { id: secret } = await api.ok("POST", "/secrets", key);
  const { id: storage } = await api.ok("POST", "/storages", { name: "nas", location: bench.path("storage") });
  const { id: plan } = await api.ok("POST", "/plans", {
    name: "nightly",
    devices: [device],
    paths: [source],
    storage,
    tags: ["every day", 'a "quoted" one'],
    encryption: { method: "gcm", level: "high", secret },
  });
  const backUp = async (): Promise<string> => {
    const { tasks } = await api.ok("POST", `/plans/${String(plan)}/run`, {});
    assert(Array.isArray(tasks));
    const { state, error, result } = await scene.ended(tasks[0]);
    assert.equal(state, "succeeded", JSON.stringify(error));
    return taskResults.backup.parse(result).copy.id;
  };
  return { ...scene, source, device, plan: String(plan), backUp };
}

/** Waits until there is something. */
export async function until<T>(look: () => Promise<T | undefined>, what: string): Promise<T> {
  const end = performance.now() + PATIENCE_MS;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    assert(performance.now() < end, what);
    await sleep(LOOK_MS);
  }
}
