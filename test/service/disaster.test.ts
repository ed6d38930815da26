/**
 * The service's machine is lost: what is left is a copy of its database and the printed recovery kit. With them the service comes
 * back, its agents find it, and a backup runs; and without the service the kit opens the repository by itself.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";
import { newKit } from "@holdfast/protocol";
import { ADMINISTRATOR, startScene } from "./scene.ts";

const PASSPHRASE = "correct horse battery staple";
const NEW_PASSWORD = "quite another password";

suite("a lost service", () => {
  test("comes back from a copy and the recovery kit", { timeout: 300_000 }, async (context) => {
    const scene = await startScene(context, ["--no-worker"]);
    const { api, bench, ended } = scene;
    const kit = newKit.parse(
      await api.ok("POST", "/vault/recovery-kit", { password: ADMINISTRATOR.password }),
    );
    const lines = kit.text.trim().split("\n").slice(1);
    const groups = kit.groups.map(({ line, group }) => lines[line - 1]?.split(" ")[group - 1]);
    await api.ok("POST", `/vault/recovery-kit/${kit.id}/confirmation`, { groups });
    writeFileSync(bench.path("kit"), kit.text, { mode: 0o600 });

    const source = bench.path("source");
    mkdirSync(source);
    writeFileSync(join(source, "file"), "content\n".repeat(1000));
    const device = await scene.addAgent("one");
    const key = { kind: "encryption-key", name: "key", value: PASSPHRASE, confirmation: PASSPHRASE };
    const secret = await api.ok("POST", "/secrets", key);
    const storage = await api.ok("POST", "/storages", { name: "nas", location: bench.path("storage") });
    const plan = await api.ok("POST", "/plans", {
      name: "nightly",
      devices: [device],
      paths: [source],
      storage: storage["id"],
      encryption: { method: "gcm", level: "high", secret: secret["id"] },
    });
    const backUp = async (): Promise<void> => {
      const { tasks } = await api.ok("POST", `/plans/${String(plan["id"])}/run`, {});
      assert(Array.isArray(tasks));
      const task = await ended(tasks[0]);
      assert.equal(task["state"], "succeeded", `${JSON.stringify(task["error"])}\n${scene.complaints()}`);
    };
    await backUp();

    const copy = bench.path("copy.sqlite");
    const data = ["--data", bench.path("service")];
    const unlock = ["--unlock-file", bench.path("keys", "unlock")];
    await bench.ok(["admin", "backup", copy, ...data]);
    assert.equal(statSync(copy).mode & 0o777, 0o600);
    const again = await bench.run(["admin", "backup", copy, ...data]);
    assert.notEqual(again.exit, 0, "a finished copy is not overwritten");
    await scene.killService();
    rmSync(bench.path("service"), { recursive: true });
    rmSync(bench.path("keys"), { recursive: true });

    // Without the service, the kit and the storage are enough.
    const [repository = ""] = readdirSync(bench.path("storage"));
    const target = bench.path("alone");
    const withKit = { env: { HOLDFAST_KEY_FILE: bench.path("kit") } };
    await bench.ok(["restore", bench.path("storage", repository), "latest", "--target", target], withKit);
    execFileSync("diff", ["-r", source, join(target, source)]);

    await bench.ok(["admin", "restore", copy, ...data]);
    assert(!existsSync(bench.path("keys", "unlock")));
    await bench.ok(["admin", "unlock-file", ...data, ...unlock], withKit);
    await bench.ok(["admin", "verify", ...data, ...unlock]);
    writeFileSync(bench.path("password"), NEW_PASSWORD, { mode: 0o600 });
    const file = ["--new-password-file", bench.path("password")];
    await bench.ok(["admin", "reset-password", ADMINISTRATOR.name, ...file, ...data, ...unlock]);
    await scene.restartService();
    assert.equal((await api.call("POST", "/session", ADMINISTRATOR)).status, 401);
    await api.ok("POST", "/session", { ...ADMINISTRATOR, password: NEW_PASSWORD });
    writeFileSync(join(source, "file"), "changed\n");
    await backUp();
  });
});
