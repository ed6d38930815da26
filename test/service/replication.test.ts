/** Replication with real processes: the replica is browsed, restored and verified with its source gone, by the service and without it; a locked copy stays. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";
import { startScene } from "./scene.ts";

const PASSPHRASE = "correct horse battery staple";

suite("a replica in another storage", () => {
  test("is all that is needed when the original is gone", { timeout: 300_000 }, async (context) => {
    const scene = await startScene(context, ["--no-worker"]);
    const { api, bench, ended } = scene;
    const source = bench.path("source");
    mkdirSync(source);
    for (let number = 0; number < 20; number += 1)
      writeFileSync(join(source, `file-${String(number)}`), `${String(number)}\n`.repeat(number * 1000));
    const succeeded = async (task: unknown): Promise<void> => {
      const { state, error } = await ended(task);
      assert.equal(state, "succeeded", JSON.stringify(error));
    };
    const made = async (path: string, body: unknown): Promise<string> =>
      String((await api.ok("POST", path, body))["id"]);

    const secret = await made("/secrets", {
      kind: "encryption-key",
      name: "company key",
      value: PASSPHRASE,
      confirmation: PASSPHRASE,
    });
    const near = await made("/storages", { name: "near", location: bench.path("near") });
    const far = await made("/storages", { name: "far", location: bench.path("far") });
    const device = await scene.addAgent("first");
    const plan = await api.ok("POST", "/plans", {
      name: "nightly",
      devices: [device],
      paths: [source],
      storage: near,
      encryption: { method: "gcm", level: "high", secret },
      lockDays: 30,
    });
    const run = await api.ok("POST", `/plans/${String(plan["id"])}/run`, {});
    assert(Array.isArray(run["tasks"]));
    await succeeded(run["tasks"][0]);

    const wish = { name: "away", source: plan["repository"], targetStorage: far, device };
    const replication = await api.ok("POST", "/replications", wish);
    assert.equal(replication["behind"], 1);
    const target = String(replication["target"]);
    const { task } = await api.ok("POST", `/replications/${String(replication["id"])}/run`);
    await succeeded(task);
    assert.equal((await api.ok("GET", `/replications/${String(replication["id"])}`))["behind"], 0);
    renameSync(bench.path("near"), bench.path("lost"));

    const { items } = await api.ok("GET", `/copies?repository=${target}`);
    assert(Array.isArray(items) && items.length === 1);
    const { id }: { id: string } = items[0];
    const folder = `path=${encodeURIComponent(source)}&repository=${target}`;
    assert(JSON.stringify(await api.ok("GET", `/copies/${id}/entries?${folder}`)).includes("file-7"));
    const restored = { device, repository: target, target: bench.path("restored") };
    await succeeded((await api.ok("POST", `/copies/${id}/restore`, restored))["task"]);
    execFileSync("diff", ["-r", source, join(bench.path("restored"), source)]);
    await succeeded((await api.ok("POST", `/repositories/${target}/verify`, { readData: true }))["task"]);
    await succeeded((await api.ok("POST", `/repositories/${target}/copies`, {}))["task"]);

    const confirmed = { confirmation: id.slice(0, 8), repository: target };
    const refused = await api.call("POST", `/copies/${id}/delete`, confirmed);
    assert.deepEqual([refused.status, refused.body["code"]], [409, "ERR_RETENTION_LOCKED"]);

    const [replica = ""] = readdirSync(bench.path("far"));
    assert(replica.startsWith("holdfast-replica-"));
    const byHand = bench.path("by-hand");
    await bench.ok(["restore", join(bench.path("far"), replica), "latest", "--target", byHand]);
    execFileSync("diff", ["-r", source, join(byHand, source)]);
  });
});
