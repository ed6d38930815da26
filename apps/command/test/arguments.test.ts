import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import process from "node:process";
import { suite, test } from "node:test";
import { createInclusion, includePatterns } from "@holdfast/sources";
import { argumentPath, copyPath } from "../src/raw-arguments.ts";
import { environment, eventsOf, MAIN, newBench, summaryOf } from "./run-holdfast.ts";

suite("A path", () => {
  test("of this machine becomes absolute", () => {
    const here = process.cwd();
    assert.equal(argumentPath("/a/./b/../c/").toString(), "/a/c");
    assert.equal(argumentPath("x").toString(), `${here}/x`);
    assert.equal(argumentPath("..").toString(), here.replace(/\/[^/]+$/u, ""));
  });

  test("of a copy needs no slash in front", () => {
    for (const text of ["/a/b", "a/b", "./a/b/", "//a//b//"]) assert.equal(copyPath(text).toString(), "a/b");
    for (const text of ["", "/", "."]) assert.equal(copyPath(text).length, 0);
  });

  test("that is not UTF-8 arrives as the bytes it is", {
    skip: process.platform === "linux" ? false : "only Linux",
  }, async (context) => {
    const { ok, folder, storage, keyFile, path } = newBench(context);
    const name = Buffer.from("latin1-\xe4", "latin1");
    mkdirSync(path("source"));
    writeFileSync(Buffer.concat([Buffer.from(`${path("source")}/`), name]), "content");
    await ok(["init", storage]);
    const script = `cd '${path("source")}' && exec '${process.execPath}' '${MAIN}' "$@" "$(printf 'latin1-\\344')"`;
    const run = (...words: readonly string[]): string =>
      execFileSync("sh", ["-c", script, "sh", ...words], {
        encoding: "utf8",
        env: environment(folder, { HOLDFAST_KEY_FILE: keyFile }),
      });
    assert.equal(summaryOf({ stdout: run("backup", storage, "--json") })["filesNew"], 1);
    const [copy] = eventsOf(await ok(["copies", storage, "--json"]), "copy");
    const expected = Buffer.concat([Buffer.from(`${path("source")}/`), name]);
    assert.deepEqual(copy?.["pathsBase64"], [expected.toString("base64")]);
    const [, listed = ""] = (await ok(["copies", storage])).stdout.split("\n");
    assert(listed.endsWith(` ${path("source")}/latin1-\\xE4`), listed);
  });
});

suite("--include", () => {
  const isInside = (include: string, path: string): boolean =>
    createInclusion(includePatterns(include)).match(Buffer.from(path), "file") === "inside";

  test("means the path itself and all below it, from the top of the copy", () => {
    for (const include of ["home/ada", "/home/ada", "home/ada/", "./home/ada"]) {
      assert(isInside(include, "home/ada/notes/one"));
      assert(isInside(include, "home/ada"));
      assert(!isInside(include, "home/adam"));
      assert(!isInside(include, "srv/home/ada"));
    }
    assert(isInside("notes", "notes/one") && !isInside("notes", "home/notes/one"));
    assert(isInside("/", "anything/at/all"));
  });

  test("takes patterns, and names with the characters of patterns", () => {
    assert(isInside("/home/*/notes", "home/ada/notes/one"));
    assert(!isInside("/home/*/notes", "home/ada/x/notes"));
    for (const name of ["file[1].txt", "what?", "a*b", "{x}", "back\\slash", "!not"]) {
      assert(isInside(`/home/${name}`, `home/${name}`), name);
      assert(isInside(name, `${name}/below`), name);
    }
  });
});
