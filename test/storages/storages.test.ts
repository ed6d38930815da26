/**
 * A repository on each kind of remote storage from its beginning to its end, by the real command and on a real server. Where a
 * server's programs are missing, its test is skipped and says so.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { suite, test, type TestContext } from "node:test";
import { type Bench, newBench, summaryOf } from "../../apps/command/test/run-holdfast.ts";
import { patternedBytes } from "./patterned-bytes.ts";
import { PLACES } from "./places.ts";

const LARGE_BYTES = 40_000_000;

function makeSource(bench: Bench): string {
  const source = bench.path("source");
  mkdirSync(`${source}/docs/deep`, { recursive: true });
  writeFileSync(`${source}/large`, patternedBytes(LARGE_BYTES));
  for (let number = 0; number < 300; number += 1) {
    writeFileSync(`${source}/docs/${String(number)}`, patternedBytes(number * 40));
  }
  writeFileSync(`${source}/docs/deep/empty`, "");
  return source;
}

/** Everything that the command does with a repository. */
async function useStorage(
  context: TestContext,
  url: string,
  credentials: Readonly<Record<string, string>>,
): Promise<void> {
  const bench = newBench(context);
  const { ok, run, path } = bench;
  const source = makeSource(bench);
  const file = path("credentials.json");
  writeFileSync(file, JSON.stringify(credentials), { mode: 0o600 });
  const env = { HOLDFAST_CREDENTIALS_FILE: file };
  await ok(["init", url], { env });
  const first = summaryOf(await ok(["backup", url, source, "--json"], { env }));
  assert.equal(first["filesNew"], 302);
  writeFileSync(`${source}/docs/7`, "changed");
  const second = summaryOf(await ok(["backup", url, source, "--json"], { env }));
  assert(Number(second["bytesStored"]) < LARGE_BYTES / 4, String(second["bytesStored"]));
  assert.equal(summaryOf(await ok(["copies", url, "--json"], { env }))["event"], "summary");
  await ok(["restore", url, "latest", "--target", path("restored")], { env });
  execFileSync("diff", ["-r", source, path("restored", source)]);
  const verified = summaryOf(await ok(["verify", url, "--read-data", "--json"], { env }));
  assert.deepEqual(verified["damaged"], []);
  await ok(["verify", url, "--no-key", "--credentials", file], { env: { HOLDFAST_KEY_FILE: "" } });
  await ok(["forget", url, String(first["copyId"])], { env });
  await ok(["clean", url], { env });
  await ok(["replicate", url, path("replica")], { env });
  await ok(["verify", path("replica"), "--read-data"]);
  await ok(["forget", url, String(second["copyId"])], { env });
  assert(Number(summaryOf(await ok(["clean", url, "--json"], { env }))["bytesFreed"]) > LARGE_BYTES / 4);
  const wrong = path("wrong.json");
  writeFileSync(wrong, JSON.stringify({ ...credentials, ...spoiled(credentials) }), { mode: 0o600 });
  const refused = await run(["copies", url, "--credentials", wrong], { env });
  assert.equal(refused.exit, 6, refused.stderr);
  for (const secret of Object.values(credentials).filter((text) => !text.startsWith("/"))) {
    if (secret !== credentials["user"]) assert(!refused.stderr.includes(secret), refused.stderr);
  }
}

const WRONG: Readonly<Record<string, string>> = {
  password: "wrong",
  secretAccessKey: "wrong",
  sas: "sv=2025-01-05&sig=wrong",
  keyFile: "/nowhere/key",
};

/** The same credentials with a wrong secret; a key file is named that is not there. */
function spoiled(credentials: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(WRONG).filter(([name]) => name in credentials));
}

suite("a repository by the command", () => {
  for (const { name, skip, start } of PLACES) {
    test(`on ${name}`, { skip, timeout: 300_000 }, async (context) => {
      await using server = await start();
      await useStorage(context, server.door.url("repository"), server.credentials);
    });
  }
});
