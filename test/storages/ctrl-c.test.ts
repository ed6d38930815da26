/**
 * Ctrl-C in a restore. The storage is slow, and in the process of the test: however late the signal comes, the restore is not over.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import process from "node:process";
import { suite, test } from "node:test";
import { newBench, outcomeOf } from "../../apps/command/test/run-holdfast.ts";
import { MemorySftpServer } from "../../packages/storage/test/servers/memory-sftp-server.ts";

const FILES = 12;
const FILE_BYTES = 3_000_000;
const BYTES_PER_SECOND = 4_000_000;

suite("Ctrl-C", { skip: process.platform === "win32" ? "needs signals" : false }, () => {
  test("ends a restore, and the next run completes it", { timeout: 300_000 }, async (context) => {
    const bench = newBench(context);
    const { ok, path } = bench;
    await using server = await new MemorySftpServer().start();
    mkdirSync(path(".ssh"), { mode: 0o700 });
    writeFileSync(path(".ssh", "known_hosts"), server.knownHostsLine);
    writeFileSync(path("credentials"), JSON.stringify({ password: server.password }), { mode: 0o600 });
    const credentials = ["--credentials", path("credentials")];
    const storage = server.url("/home/user/repository");
    const source = path("source");
    mkdirSync(source);
    for (let number = 0; number < FILES; number += 1)
      writeFileSync(path("source", String(number)), randomBytes(FILE_BYTES));
    await ok(["init", storage, "--level", "low", ...credentials]);
    await ok(["backup", storage, source, ...credentials]);
    const more = ["--workers", "1", "--json", ...credentials];
    const restoreFrom = (url: string): string[] => {
      const target = path("restored");
      return ["restore", url, "latest", "--target", target, ...more];
    };
    const child = bench.start(restoreFrom(`${storage}?rate=${String(BYTES_PER_SECOND)}`));
    child.stdout?.once("data", () => child.kill("SIGINT"));
    assert.equal((await outcomeOf(child)).exit, 130);
    await ok(restoreFrom(storage));
    const compared = spawnSync("diff", ["-r", source, path("restored", source)], { encoding: "utf8" });
    assert.equal(compared.stdout, "");
  });
});
