/** The service starts with a passphrase of its vault in place of the unlock file. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { suite, test } from "node:test";
import { ADMINISTRATOR, startScene } from "./scene.ts";

const PASSPHRASE = "Zq3-lantern-oboe-gravel-tundra";

suite("serve --unlock-with passphrase", () => {
  test("takes the credential of systemd, and no other", { timeout: 180_000 }, async (context) => {
    const { api, bench, killService } = await startScene(context, ["--no-worker"]);
    await api.ok("POST", "/vault/slots", {
      label: "at the start",
      passphrase: PASSPHRASE,
      confirmation: PASSPHRASE,
      password: ADMINISTRATOR.password,
    });
    await killService();
    rmSync(bench.path("keys", "unlock"));
    const credentials = bench.path("credentials");
    mkdirSync(credentials);
    const start = (passphrase: string) => {
      writeFileSync(bench.path("credentials", "holdfast-unlock"), passphrase, { mode: 0o600 });
      const places = ["--data", bench.path("service"), "--unlock-file", bench.path("keys", "unlock")];
      const more = ["--listen", "127.0.0.1:0", "--no-worker", "--json", "--unlock-with", "passphrase"];
      return bench.start(["serve", ...places, ...more], { env: { CREDENTIALS_DIRECTORY: credentials } });
    };
    const refused = start(`${PASSPHRASE}!`);
    const [exit] = await once(refused, "exit");
    assert.equal(exit, 4, "a wrong key");
    const service = start(PASSPHRASE);
    context.after(() => service.kill("SIGKILL"));
    assert(service.stdout !== null && service.stderr !== null);
    let complaints = "";
    service.stderr.on("data", (piece: Buffer) => {
      complaints += piece.toString();
    });
    const [line] = await Promise.race([
      once(createInterface(service.stdout), "line"),
      once(service, "exit").then(() => assert.fail(`the service ended: ${complaints}`)),
    ]);
    assert.match(String(line), /"event":"listening"/u);
    const ended = once(service, "exit");
    service.kill("SIGTERM");
    await ended;
    assert(!complaints.includes(PASSPHRASE));
  });
});
