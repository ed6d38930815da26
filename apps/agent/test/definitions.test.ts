/** Definitions for service managers: each checked by the manager's own tool where there is one. */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { type Installation, serviceDefinition } from "../src/index.ts";

const PLAIN: Installation = {
  program: "/bin/true",
  programArguments: [],
  stateDir: "/var/lib/holdfast/agent",
};
const ODD: Installation = {
  program: "/bin/true",
  programArguments: [String.raw`/opt/100% "own" $HOME\x/main.ts`],
  stateDir: "/srv/a & b's <state>",
};

function textOf(system: "linux" | "darwin" | "win32", installation: Installation): string {
  const definition = serviceDefinition(system, installation);
  assert.ok(definition !== undefined);
  return definition.text;
}

const hasTool = (name: string): boolean => spawnSync("sh", ["-c", `command -v ${name}`]).status === 0;

suite("The unit for systemd", () => {
  for (const [what, installation] of [
    ["plain", PLAIN],
    ["odd", ODD],
  ] as const) {
    test(`with ${what} paths passes systemd-analyze`, {
      skip: hasTool("systemd-analyze") ? false : "no systemd",
    }, (context) => {
      const folder = mkdtempSync(join(tmpdir(), "holdfast-unit-"));
      context.after(() => rmSync(folder, { recursive: true, force: true }));
      const path = join(folder, "holdfast-agent.service");
      writeFileSync(path, textOf("linux", installation));
      const { stderr, status } = spawnSync("systemd-analyze", ["verify", "--man=no", path], {
        encoding: "utf8",
      });
      const complaints = stderr.split("\n").filter((line) => line.includes("holdfast-agent"));
      assert.deepEqual(complaints, []);
      assert.equal(status, 0, stderr);
    });
  }

  test("quotes as systemd.service(5) says", () => {
    const line = textOf("linux", ODD)
      .split("\n")
      .find((one) => one.startsWith("ExecStart="));
    assert.equal(
      line,
      String.raw`ExecStart=/bin/true "/opt/100%% \"own\" $$HOME\\x/main.ts" agent run --state "/srv/a & b's <state>"`,
    );
  });
});

suite("The property list for launchd", () => {
  test("is well-formed and has the command word for word", {
    skip: hasTool("python3") ? false : "no plistlib",
  }, () => {
    const script = "import plistlib, sys, json; print(json.dumps(plistlib.loads(sys.stdin.buffer.read())))";
    for (const installation of [PLAIN, ODD]) {
      const json = execFileSync("python3", ["-c", script], {
        input: textOf("darwin", installation),
        encoding: "utf8",
      });
      const { program, programArguments, stateDir } = installation;
      const parsed = JSON.parse(json);
      assert.deepEqual(parsed.ProgramArguments, [
        program,
        ...programArguments,
        "agent",
        "run",
        "--state",
        stateDir,
      ]);
      assert.equal(parsed.Umask, 0o077);
      assert.equal(parsed.Label, "holdfast.agent");
    }
  });
});

suite("The script for Windows", () => {
  test("quotes for PowerShell and for the program", () => {
    const installation = {
      program: String.raw`C:\Program Files\it's\node.exe`,
      programArguments: [String.raw`C:\own path\main.ts`],
      stateDir: "C:\\state dir\\",
    };
    const text = textOf("win32", installation);
    assert.ok(text.includes(String.raw`-Execute 'C:\Program Files\it''s\node.exe'`));
    assert.ok(
      text.includes(String.raw`-Argument '"C:\own path\main.ts" agent run --state "C:\state dir\\"'`),
    );
    assert.ok(text.includes("/inheritance:r"));
  });

  test("is for systems that have one", () => {
    assert.equal(serviceDefinition("other", PLAIN), undefined);
  });
});
