/** A result that nobody can have is no success. */
import { spawn } from "node:child_process";
import assert from "node:assert/strict";
import { closeSync, existsSync, mkdirSync, openSync, writeFileSync } from "node:fs";
import process from "node:process";
import { suite, test } from "node:test";
import { environment, MAIN, newBench } from "./run-holdfast.ts";

const FULL = "/dev/full";

suite("A full disk behind standard output", { skip: existsSync(FULL) ? false : `needs ${FULL}` }, () => {
  for (const line of [["copies"], ["copies", "--json"], ["dump", "latest", "/FOLDER/file"]] as const) {
    test(`fails ${line.join(" ")}, and says why`, async (context) => {
      const { ok, path, folder, storage, keyFile } = newBench(context);
      mkdirSync(path("source"));
      writeFileSync(path("source", "file"), Buffer.alloc(4_000_000, "content"));
      await ok(["init", storage]);
      await ok(["backup", storage, path("source")]);
      const [command, ...rest] = line.map((word) => word.replace("/FOLDER", path("source")));
      const full = openSync(FULL, "w");
      const child = spawn(process.execPath, [MAIN, command ?? "", storage, ...rest], {
        cwd: folder,
        env: environment(folder, { HOLDFAST_KEY_FILE: keyFile }),
        stdio: ["ignore", full, "pipe"],
      });
      closeSync(full);
      let stderr = "";
      child.stderr?.on("data", (piece: Buffer) => {
        stderr += piece.toString();
      });
      const exit = await new Promise((resolve) => child.on("close", resolve));
      assert.equal(exit, 1, stderr);
      // With --json the error itself has no place to go to.
      if (!line.some((word) => word === "--json"))
        assert.match(stderr, /^holdfast: Standard output cannot be written: .*ENOSPC/u);
    });
  }
});
