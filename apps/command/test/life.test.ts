/**
 * A repository from its beginning to its end, by the real command.
 */
import assert from "node:assert/strict";
import {
  appendFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import {
  assertError,
  type Bench,
  eventsOf,
  type JsonObject,
  newBench,
  type Outcome,
  summaryOf,
} from "./run-holdfast.ts";
import { differencesByRsync, HAS_RSYNC, makeSourceTree, NOT_UTF8 } from "./source-tree.ts";

const SUMMARY_OF_BACKUP = [
  "copyId",
  "filesNew",
  "filesChanged",
  "filesUnchanged",
  "bytesRead",
  "bytesAdded",
  "bytesStored",
  "seconds",
  "warnings",
] as const;

function assertFields(object: JsonObject | undefined, fields: readonly string[]): void {
  for (const field of fields) assert(object !== undefined && field in object, `${field} is missing`);
}

/** Files younger than the coarsest step of a file system's clock are read again by the next backup. */
const REST_MS = 2100;

async function firstCopy(bench: Bench): Promise<{ readonly source: string; readonly copy: string }> {
  const source = bench.path("source");
  mkdirSync(source);
  makeSourceTree(source);
  await bench.ok(["init", bench.storage]);
  await sleep(REST_MS);
  const made = await bench.ok([
    "backup",
    bench.storage,
    source,
    "--host",
    "web1",
    "--tag",
    "a",
    "--tag",
    "b",
    "--json",
  ]);
  const summary = summaryOf(made);
  assertFields(summary, SUMMARY_OF_BACKUP);
  assert.equal(summary["warnings"], 0, made.stdout);
  return { source, copy: String(summary["copyId"]) };
}

async function copiesOf({ ok, storage }: Bench): Promise<readonly JsonObject[]> {
  return eventsOf(await ok(["copies", storage, "--json"]), "copy");
}

function lines({ stdout }: Outcome): readonly string[] {
  return stdout.trimEnd().split("\n");
}

suite("A copy", () => {
  test("is listed, looked into, compared, read and restored", { timeout: 600_000 }, async (context) => {
    const bench = newBench(context);
    const { ok, run, storage, path } = bench;
    const { source, copy } = await firstCopy(bench);
    const stored = source.slice(1);

    await context.test("copies says what it is", async () => {
      const [listed, ...more] = await copiesOf(bench);
      assert.equal(more.length, 0);
      const { id, host, kind, paths, tags, size, encryption, time } = listed ?? {};
      assert.deepEqual(
        { id, host, kind, paths, tags, encryption },
        {
          id: copy,
          host: "web1",
          kind: "files",
          paths: [source],
          tags: ["a", "b"],
          encryption: { method: "gcm", level: "high" },
        },
      );
      assert(typeof size === "number" && size > 59_000_000);
      assert(Math.abs(Date.parse(String(time)) - Date.now()) < 600_000);
      assert.deepEqual(summaryOf(await ok(["copies", storage, "--json", "--host", "web2"]))["copies"], []);
      assert.deepEqual(summaryOf(await ok(["copies", storage, "--json", "--tag", "c"]))["copies"], []);
      const found = summaryOf(await ok(["copies", storage, "--json", "--tag", "a", "--host", "web1"]));
      const { event, ...fields } = listed ?? {};
      assert.equal(event, "copy");
      assert.deepEqual(found["copies"], [fields]);
      assert.match(
        (await ok(["copies", storage])).stdout,
        new RegExp(`${copy.slice(0, 12)}.*web1.*files.*a,b.*${source}`, "u"),
      );
    });

    await context.test("a second one reads only what has changed", async () => {
      appendFileSync(`${source}/docs/small.txt`, "more\n");
      renameSync(`${source}/private`, `${source}/public`);
      rmSync(`${source}/docs/empty`);
      const summary = summaryOf(await ok(["backup", storage, source, "--host", "web1", "--json"]));
      assert.equal(summary["filesChanged"], 1);
      assert(Number(summary["bytesRead"]) < 1_000_000, String(summary["bytesRead"]));
      assert(Number(summary["bytesAdded"]) < 1_000_000, String(summary["bytesAdded"]));
      const dry = summaryOf(await ok(["backup", storage, source, "--dry-run", "--json"]));
      assert.equal(dry["dryRun"], true);
      assert.equal((await copiesOf(bench)).length, 2);
    });

    await context.test("ls shows everything, or one folder, by absolute and relative paths", async () => {
      const all = eventsOf(await ok(["ls", storage, copy.slice(0, 10), "--json"]), "entry");
      assert(
        all.some(
          (entry) => entry["path"] === `${source}/docs/deep/deeper/large` && entry["size"] === 9_000_000,
        ),
      );
      const odd = all.find((entry) => entry["pathBase64"] !== undefined);
      assert.equal(
        Buffer.from(String(odd?.["pathBase64"]), "base64").toString("latin1"),
        `${source}/${NOT_UTF8.toString("latin1")}`,
      );
      for (const asked of [`${source}/docs`, `${stored}/docs/`]) {
        const entries = eventsOf(await ok(["ls", storage, copy, asked, "--json"]), "entry");
        assert.deepEqual(
          entries.map((entry) => entry["path"]),
          ["deep", "empty", "middle", "small.txt"].map((name) => `${source}/docs/${name}`),
        );
      }
      const deep = await ok(["ls", storage, copy, `${source}/docs`, "--recursive"]);
      assert.equal(lines(deep).length, 207);
      const text = (await ok(["ls", storage, copy])).stdout;
      assert(!text.includes("\u001B"), "a name must not reach the terminal as it is");
      assert.match(text, /latin1-\\xE4\\xFF/u);
      assert.match(text, /-rws--x--x .* \/.*\/private/u);
      assert.match(text, /link -> docs\/small\.txt/u);
      assertError(await run(["ls", storage, copy, "/nowhere"]), 1, /is not in the copy/u);
    });

    await context.test("find and diff name what they mean", async () => {
      const found = eventsOf(await ok(["find", storage, "file 1?.log", "--json"]), "found");
      assert.equal(found.length, 20);
      assert.equal(
        eventsOf(await ok(["find", storage, "file 1?.log", "--json", "--copy", copy]), "found").length,
        10,
      );
      assert.match((await ok(["find", storage, "nothing-*"])).stdout, /Nothing was found/u);
      const changes = eventsOf(await ok(["diff", storage, copy, "latest", "--json"]), "difference");
      const named = new Map(
        changes.map(({ path: name, change }) => [String(name).slice(source.length + 1), change]),
      );
      assert.equal(named.get("docs/small.txt"), "modified");
      assert.equal(named.get("docs/empty"), "removed");
      assert.equal(named.get("private"), "removed");
      assert.equal(named.get("public"), "added");
      assert.equal(named.get("docs/middle"), undefined);
      assert.match((await ok(["diff", storage, copy, "latest"])).stdout, /^M \/.*\/docs\/small\.txt$/mu);
    });

    await context.test("dump gives the bytes of a file", async () => {
      const large = readFileSync(`${source}/docs/deep/deeper/large`);
      for (const asked of [`${source}/docs/deep/deeper/large`, `${stored}/docs/deep/deeper/large`]) {
        assert((await ok(["dump", storage, "latest", asked])).bytes.equals(large));
      }
      assert.equal((await ok(["dump", storage, copy, `${source}/docs/small.txt`])).stdout, "a small file\n");
      assertError(await run(["dump", storage, copy, `${source}/docs`]), 1, /./u);
      assertError(await run(["dump", storage, "ffff", `${source}/link`]), 1, /There is no copy/u);
      assertError(await run(["dump", storage, "f", `${source}/link`]), 1, /There is no copy/u);
    });

    await context.test(
      "restore brings everything back",
      { skip: HAS_RSYNC ? false : "needs rsync" },
      async () => {
        const restored = await ok(["restore", storage, "latest", "--target", path("restored"), "--json"]);
        const summary = summaryOf(restored);
        assertFields(summary, ["files", "bytes", "seconds", "warnings"]);
        assert.equal(differencesByRsync(source, path("restored", stored)), "");
      },
    );

    await context.test("restore brings back a part, and only counts on a dry run", async () => {
      const counted = await ok(["restore", storage, copy, "--target", path("dry"), "--dry-run", "--json"]);
      assert(Number(summaryOf(counted)["files"]) > 200);
      assert.throws(() => readdirSync(path("dry")));
      const parts = ["--include", `${source}/docs/small.txt`, "--include", `${stored}/empty folder`];
      const part = await ok(["restore", storage, copy, "--target", path("part"), ...parts, "--json"]);
      assert.equal(summaryOf(part)["files"], 1);
      assert.deepEqual(readdirSync(path("part", stored)).toSorted(), ["docs", "empty folder"]);
      assert.equal(readFileSync(path("part", stored, "docs", "small.txt"), "utf8"), "a small file\n");
      const missing = ["restore", storage, copy, "--target", path("none"), "--include", "/nowhere"];
      assertError(await run(missing), 1, /nothing by the name \/nowhere/u);
      assert.throws(() => readdirSync(path("none")));
    });

    await context.test("restore does with files that are there what it is told", async () => {
      const file = path("part", stored, "docs", "small.txt");
      const again = [
        "restore",
        storage,
        copy,
        "--target",
        path("part"),
        "--include",
        `${source}/docs/small.txt`,
      ];
      writeFileSync(file, "mine");
      await ok(again);
      assert.equal(readFileSync(file, "utf8"), "mine");
      await ok([...again, "--existing", "keep-both"]);
      assert.equal(readFileSync(file, "utf8"), "mine");
      assert.equal(readdirSync(path("part", stored, "docs")).length, 2);
      await ok([...again, "--existing", "overwrite"]);
      assert.equal(readFileSync(file, "utf8"), "a small file\n");
    });
  });

  test("leaves out what patterns name, and says what could not be read", async (context) => {
    const bench = newBench(context);
    const { ok, run, storage, path } = bench;
    const source = path("source");
    mkdirSync(`${source}/cache`, { recursive: true });
    for (const name of ["keep.txt", "drop.tmp", "drop.bak", "cache/x"])
      writeFileSync(`${source}/${name}`, name);
    writeFileSync(path("patterns"), "# a comment\n*.bak\n");
    await ok(["init", storage]);
    const excludes = ["--exclude", "*.tmp", "--exclude", "cache/", "--exclude-file", path("patterns")];
    await ok(["backup", storage, source, ...excludes]);
    const entries = eventsOf(await ok(["ls", storage, "latest", source, "--json"]), "entry");
    assert.deepEqual(
      entries.map((entry) => entry["path"]),
      [`${source}/keep.txt`],
    );
    writeFileSync(
      path("config.json"),
      JSON.stringify({ exclude: ["keep.*"], tags: ["configured"], host: "conf" }),
    );
    const configured = { env: { HOLDFAST_CONFIG: path("config.json") } };
    await ok(["backup", storage, source, ...excludes], configured);
    const [, second] = await copiesOf(bench);
    assert.deepEqual([second?.["tags"], second?.["host"], second?.["files"]], [["configured"], "conf", 0]);
    const missing = await run(["backup", storage, source, path("nowhere"), "--json"]);
    assert.equal(missing.exit, 3, missing.stderr);
    const [warning] = eventsOf(missing, "warning");
    assert.equal(warning?.["path"], path("nowhere"));
    assert.equal(summaryOf(missing)["warnings"], 1);
    const shown = await run(["backup", storage, source, path("nowhere")]);
    assert.match(shown.stderr, /^holdfast: warning: .*nowhere/u);
    assert.match(shown.stdout, /With 1 warning/u);
  });

  test("of a repository without encryption, or with any suite, comes back the same", async (context) => {
    const bench = newBench(context, "passphrase");
    const { ok, path } = bench;
    mkdirSync(path("source"));
    writeFileSync(path("source", "file"), "content");
    const open = { env: { HOLDFAST_KEY_FILE: "" } };
    await ok(["init", path("open"), "--no-encryption"], open);
    await ok(["init", path("cbc"), "--method", "cbc", "--level", "low"]);
    for (const [storage, options] of [
      [path("open"), open],
      [path("cbc"), {}],
    ] as const) {
      await ok(["backup", storage, "source"], options);
      await ok(["restore", storage, "latest", "--target", `${storage}-restored`], options);
      const file = `${storage}-restored${path("source", "file")}`;
      assert.equal(readFileSync(file, "utf8"), "content");
      await ok(["verify", storage, "--read-data"], options);
    }
    const [listed] = eventsOf(await ok(["copies", path("open"), "--json"], open), "copy");
    assert.equal(listed?.["encryption"], null);
  });
});

suite("A repository", () => {
  test("is verified, and names damage and what it costs", async (context) => {
    const bench = newBench(context);
    const { ok, run, storage, path } = bench;
    const { copy, source } = await firstCopy(bench);
    const whole = summaryOf(await ok(["verify", storage, "--json"]));
    assertFields(whole, ["objects", "bytes", "damaged"]);
    assert.deepEqual(whole["damaged"], []);
    await ok(["verify", storage, "--read-data"]);
    await ok(["verify", storage, copy.slice(0, 8)]);
    await ok(["verify", storage, "--no-key"], { env: { HOLDFAST_KEY_FILE: "" } });
    assertError(await run(["verify", storage, "--no-key", "--read-data"]), 2, /Without a key/u);

    const [pack = ""] = readdirSync(path("storage", "packs"), { recursive: true, encoding: "utf8" })
      .filter((name) => name.length > 60)
      .toSorted(
        (a, b) =>
          readFileSync(path("storage", "packs", b)).length - readFileSync(path("storage", "packs", a)).length,
      );
    const file = path("storage", "packs", pack);
    const bytes = readFileSync(file);
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
    rmSync(file);
    writeFileSync(file, bytes);
    for (const options of [[], ["--read-data"], ["--no-key"]]) {
      const found = await run(["verify", storage, "--json", ...options]);
      assert.equal(found.exit, 5);
      const damaged = summaryOf(found)["damaged"];
      assert(Array.isArray(damaged) && damaged.length === 1);
      assert.equal(damaged[0].object, `packs/${pack}`);
      if (options.length === 0) {
        assert.deepEqual(damaged[0].copies, [copy]);
        assert(damaged[0].paths.some((name: string) => name.includes("docs/deep/deeper/large")));
      }
    }
    const shown = await run(["verify", storage]);
    assert.match(shown.stdout, new RegExp(`Copies that lose something: ${copy.slice(0, 12)}`, "u"));
    const restored = await run(["restore", storage, "latest", "--target", path("restored"), "--json"]);
    assert.equal(restored.exit, 5);
    assert(eventsOf(restored, "warning").some((warning) => warning["code"] === "ERR_DAMAGED"));
    assert.equal(readFileSync(path("restored", source, "docs", "small.txt"), "utf8"), "a small file\n");
  });

  test("forgets copies by name and by rules, and gives back their space", async (context) => {
    const bench = newBench(context);
    const { ok, run, storage, path } = bench;
    mkdirSync(path("source"));
    await ok(["init", storage]);
    assert.equal((await ok(["forget", storage, "--keep-last", "1"])).stdout, "There are no copies.\n");
    const ids: string[] = [];
    for (const content of ["one", "two", "three", "four"]) {
      writeFileSync(path("source", "file"), content.repeat(100_000));
      const made = await ok([
        "backup",
        storage,
        path("source"),
        "--host",
        content === "four" ? "web2" : "web1",
        "--json",
      ]);
      ids.push(String(summaryOf(made)["copyId"]));
    }
    const [one = "", two = "", three = "", four = ""] = ids;
    assertError(await run(["forget", storage]), 2, /Nothing says which copies/u);
    assertError(await run(["forget", storage, one, "--keep-last", "1"]), 2, /either by name or by rules/u);
    assertError(await run(["forget", storage, "0123"]), 1, /There is no copy/u);

    const dry = await ok(["forget", storage, "--keep-last", "1", "--dry-run", "--json"]);
    const decisions = eventsOf(dry, "decision");
    assert.deepEqual(
      decisions.map(({ id, action, reasons }) => [id, action, reasons]),
      [
        [four, "keep", ["last"]],
        [three, "keep", ["last"]],
        [two, "forget", ["no rule keeps it"]],
        [one, "forget", ["no rule keeps it"]],
      ],
    );
    assert.equal((await copiesOf(bench)).length, 4);
    assert.match((await ok(["forget", storage, "--keep-daily", "7", "--dry-run"])).stdout, /keep .* daily/u);

    await ok(["forget", storage, one.slice(0, 10)]);
    const ruled = await ok(["forget", storage, "--keep-last", "1", "--host", "web1", "--json"]);
    assert.deepEqual(summaryOf(ruled)["forgotten"], [two]);
    assert.deepEqual(
      (await copiesOf(bench)).map(({ id }) => id),
      [three, four],
    );
    const would = summaryOf(await ok(["clean", storage, "--dry-run", "--json"]));
    assert(Number(would["packsDeleted"]) > 0);
    const before = readdirSync(path("storage", "packs"), { recursive: true }).length;
    const cleaned = summaryOf(await ok(["clean", storage, "--json"]));
    assert(Number(cleaned["packsDeleted"]) > 0);
    assert.equal(cleaned["packsPending"], 0);
    assert(readdirSync(path("storage", "packs"), { recursive: true }).length < before);
    await ok(["verify", storage, "--read-data"]);
    assert.equal(
      (await ok(["dump", storage, three, path("source", "file")])).stdout,
      "three".repeat(100_000),
    );
  });

  test("is replicated, and the replica opens with the same key", async (context) => {
    const bench = newBench(context, "passphrase");
    const { ok, run, storage, path } = bench;
    mkdirSync(path("source"));
    await ok(["init", storage]);
    const ids: string[] = [];
    for (const content of ["one", "two"]) {
      writeFileSync(path("source", content), content);
      ids.push(String(summaryOf(await ok(["backup", storage, path("source"), "--json"]))["copyId"]));
    }
    const [one = "", two = ""] = ids;
    const replica = path("replica");
    assert.deepEqual(summaryOf(await ok(["replicate", storage, replica, one, "--json"]))["copied"], [one]);
    const second = summaryOf(await ok(["replicate", storage, replica, "--json"]));
    assert.deepEqual([second["copied"], second["present"]], [[two], [one]]);
    await ok(["verify", replica, "--read-data"]);
    assert.equal((await ok(["dump", replica, "latest", path("source", "two")])).stdout, "two");
    await ok(["init", path("another")]);
    assertError(await run(["replicate", storage, path("another")]), 7, /./u);
  });
});
