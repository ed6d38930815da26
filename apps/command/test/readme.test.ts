import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { environment, newBench, outcomeOf } from "./run-holdfast.ts";

const ROOT = join(import.meta.dirname, "../../..");
const DEMO = "/tmp/holdfast-demo";

test("The first minute in README.md runs as it stands", {
  skip: process.platform === "win32" ? "needs a shell" : false,
}, async (context) => {
  const { folder, path } = newBench(context);
  const [, script = ""] = /```sh\n([^]*?)```/u.exec(readFileSync(join(ROOT, "README.md"), "utf8")) ?? [];
  assert(script.includes("./holdfast init"), "README.md has no such block");
  mkdirSync(path("demo"));
  // In a place of its own, so that two runs do not meet; everything else is word for word.
  const child = spawn("sh", ["-e", "-c", script.replaceAll(DEMO, path("demo"))], {
    cwd: ROOT,
    env: environment(folder, {}),
    stdio: ["ignore", "pipe", "pipe"],
  });
  const { exit, stdout, stderr } = await outcomeOf(child);
  assert.equal(exit, 0, stderr);
  assert.match(stdout, /Copy [0-9a-f]{12}: \d+ new files/u);
  assert.match(stdout, /^The same\.$/mu);
  assert.match(stdout, /everything is whole, down to each byte/u);
  assert.equal(statSync(path("demo", "key")).mode & 0o777, 0o600);
  assert.match(readFileSync(path("demo", "recovery-kit.txt"), "latin1"), /^HOLDFAST RECOVERY KEY 1\n/u);
});
