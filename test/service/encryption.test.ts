/** A plan with each of the six encryption choices, and one without, by the API and real processes. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";
import { startScene } from "./scene.ts";

const PASSPHRASE = "correct horse battery staple";
const CHOICES = (["gcm", "cbc"] as const).flatMap((method) =>
  (["low", "normal", "high"] as const).map((level) => ({ method, level })),
);

suite("plans by the API", () => {
  test("with every encryption choice back up and restore", { timeout: 300_000 }, async (context) => {
    const { api, bench, ended, addAgent } = await startScene(context, ["--no-worker"]);
    const source = bench.path("source");
    mkdirSync(join(source, "deep"), { recursive: true });
    writeFileSync(join(source, "file"), "content\n".repeat(10_000));
    writeFileSync(join(source, "deep", "small"), "x");
    const device = await addAgent("one");
    const secret = await api.ok("POST", "/secrets", {
      kind: "encryption-key",
      name: "key",
      value: PASSPHRASE,
      confirmation: PASSPHRASE,
    });
    const storage = await api.ok("POST", "/storages", { name: "nas", location: bench.path("storage") });
    const repositories = new Set<unknown>();
    for (const choice of [...CHOICES, null]) {
      const name = choice === null ? "none" : `${choice.method} ${choice.level}`;
      const encryption = choice === null ? null : { ...choice, secret: secret["id"] };
      const plan = await api.ok("POST", "/plans", {
        name,
        devices: [device],
        paths: [source],
        storage: storage["id"],
        encryption,
      });
      repositories.add(plan["repository"]);
      const { tasks } = await api.ok("POST", `/plans/${String(plan["id"])}/run`, {});
      assert(Array.isArray(tasks));
      const backup = await ended(tasks[0]);
      assert.equal(backup["state"], "succeeded", `${name}: ${JSON.stringify(backup["error"])}`);
      const { items } = await api.ok("GET", `/copies?plan=${String(plan["id"])}`);
      assert(Array.isArray(items));
      const [copy]: { id?: unknown; encryption?: unknown }[] = items;
      assert.deepEqual(copy?.encryption, choice);
      const target = bench.path(`restored ${name}`);
      const { task } = await api.ok("POST", `/copies/${String(copy?.id)}/restore`, { target });
      const restored = await ended(task);
      assert.equal(restored["state"], "succeeded", `${name}: ${JSON.stringify(restored["error"])}`);
      execFileSync("diff", ["-r", source, join(target, source)]);
      const other = choice === null ? { method: "gcm", level: "low", secret: secret["id"] } : null;
      const seen = { "if-match": `"${String(plan["revision"])}"` };
      const refused = await api.call("PATCH", `/plans/${String(plan["id"])}`, { encryption: other }, seen);
      assert.equal(refused.status, 409);
      assert.equal(refused.body["code"], "ERR_PLAN_ENCRYPTION_FIXED");
    }
    assert.equal(repositories.size, CHOICES.length + 1);
  });
});
