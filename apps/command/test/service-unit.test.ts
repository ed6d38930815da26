/** The unit that runs the service, checked by systemd's own tool; and where the vault's passphrase comes from. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { type ServiceInstallation, serviceCommands, serviceUnit } from "../src/service-unit.ts";
import { newBench } from "./run-holdfast.ts";

const PLAIN: ServiceInstallation = {
  program: "/bin/true",
  programArguments: ["/opt/holdfast/apps/command/src/main.ts"],
  data: "/var/lib/holdfast",
  unlockFile: "/etc/holdfast/unlock.key",
  listen: "0.0.0.0:8443",
  database: undefined,
  unlockWith: "file",
};
const ODD: ServiceInstallation = {
  ...PLAIN,
  programArguments: [String.raw`/opt/100% "own" $HOME\x/main.ts`],
  data: "/srv/a & b",
  database: "postgres://holdfast@localhost/holdfast?host=%2Frun%2Fpostgresql",
  unlockWith: "passphrase",
};

const hasTool = (name: string): boolean => spawnSync("sh", ["-c", `command -v ${name}`]).status === 0;

suite("the unit of the service", () => {
  for (const [what, installation] of [
    ["plain", PLAIN],
    ["odd", ODD],
  ] as const) {
    test(`with ${what} paths passes systemd-analyze`, {
      skip: hasTool("systemd-analyze") ? false : "no systemd",
    }, (context) => {
      const folder = mkdtempSync(join(tmpdir(), "holdfast-unit-"));
      context.after(() => rmSync(folder, { recursive: true, force: true }));
      const path = join(folder, "holdfast.service");
      writeFileSync(path, serviceUnit(installation));
      const { stderr, status } = spawnSync("systemd-analyze", ["verify", "--man=no", path], {
        encoding: "utf8",
      });
      const complaints = stderr.split("\n").filter((line) => line.includes("holdfast.service"));
      assert.deepEqual(complaints, []);
      assert.equal(status, 0, stderr);
    });
  }

  test("takes the passphrase as a credential, and has it nowhere else", () => {
    const text = serviceUnit(ODD);
    assert.match(text, /^LoadCredentialEncrypted=holdfast-unlock:/mu);
    assert.match(text, /--unlock-with passphrase$/mu);
    assert.doesNotMatch(text, /^Environment/mu);
    assert(serviceCommands(ODD).some((command) => command.includes("systemd-creds encrypt")));
    assert.doesNotMatch(serviceUnit(PLAIN), /holdfast-unlock|--unlock-with/u);
  });

  test("is printed by the command", {
    skip: process.platform === "linux" ? false : "Linux",
  }, async (context) => {
    const { ok } = newBench(context);
    const { stdout, stderr } = await ok(["admin", "definition", "--data", "/srv/holdfast"]);
    assert.match(stdout, /^ExecStart=.* serve --data \/srv\/holdfast /mu);
    assert.match(stderr, /systemctl enable --now holdfast/u);
  });
});

suite("serve --unlock-with passphrase", () => {
  test("says what is missing without a terminal or credential", async (context) => {
    const { run, path } = newBench(context);
    const places = ["--data", path("data"), "--unlock-file", path("keys", "unlock")];
    const given = ["serve", "--listen", "127.0.0.1:0", ...places, "--unlock-with", "passphrase", "--json"];
    const outcome = await run(given);
    assert.equal(outcome.exit, 2);
    assert.match(outcome.stdout, /"code":"ERR_KEY_MISSING"/u);
    assert.match(outcome.stdout, /holdfast-unlock/u);
  });
});
