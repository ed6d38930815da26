/** A pack that is damaged or gone: what says so, and the way back. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { assertError, type Bench, newBench, summaryOf } from "./run-holdfast.ts";

const CONTENT = randomBytes(3_000_000);

/** A repository with one copy; returns the file of its largest pack. */
/** Files younger than the coarsest step of a file system's clock are read again by the next backup. */
const REST_MS = 2100;

async function withCopy({ ok, path, storage }: Bench, restMs = 0): Promise<string> {
  mkdirSync(path("source"));
  writeFileSync(path("source", "file"), CONTENT);
  await ok(["init", storage]);
  await sleep(restMs);
  await ok(["backup", storage, path("source")]);
  const [largest = ""] = readdirSync(path("storage", "packs"), { recursive: true, encoding: "utf8" })
    .map((name) => path("storage", "packs", name))
    .filter((name) => statSync(name).isFile())
    .toSorted((one, other) => statSync(other).size - statSync(one).size);
  return largest;
}

suite("A repository with a pack that is", () => {
  for (const kind of ["damaged", "missing"] as const) {
    test(`${kind} is healed by clean and backup, older copies too`, async (context) => {
      const bench = newBench(context);
      const { ok, run, path, storage } = bench;
      const pack = await withCopy(bench);
      const bytes = readFileSync(pack);
      bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
      rmSync(pack);
      if (kind === "damaged") writeFileSync(pack, bytes);
      const found = await run(["verify", storage]);
      assert.equal(found.exit, 5);
      assert.match(found.stdout, /`holdfast clean --check-packs`, then `holdfast backup`/u);
      const cleaned = await run(["clean", storage, "--check-packs"]);
      assert.equal(cleaned.exit, 5);
      assert.match(cleaned.stderr, new RegExp(`${kind}.*Back up again`, "u"));
      await ok(["backup", storage, path("source")]);
      await ok(["clean", storage]);
      await ok(["verify", storage, "--read-data"]);
      const [first = ""] = (await ok(["copies", storage])).stdout.split("\n").slice(1);
      await ok(["restore", storage, first.slice(0, 12), "--target", path("restored")]);
      assert.deepEqual(readFileSync(path("restored", path("source"), "file")), CONTENT);
    });
  }

  test("damaged is not called harmless when nobody can tell", async (context) => {
    const bench = newBench(context);
    const { run, storage } = bench;
    const pack = await withCopy(bench);
    writeFileSync(pack, readFileSync(pack).fill(0, 100, 200));
    const outcome = await run(["verify", storage, "--no-key"]);
    assert.equal(outcome.exit, 5);
    assert.match(outcome.stdout, /known only with the key/u);
    assert.doesNotMatch(outcome.stdout, /lost/u);
  });

  test("no pack of another repository: a repository is no replica of itself", async (context) => {
    const bench = newBench(context);
    const { run, storage, path } = bench;
    await withCopy(bench);
    assertError(
      await run(["replicate", storage, path("source", "..", "storage")]),
      7,
      /is the repository itself/u,
    );
    assert.equal(summaryOf(await bench.ok(["copies", storage, "--json"]))["damaged"], 0);
  });
});

suite("A damaged index", () => {
  test("stops a backup, which says what to do, and clean writes it anew", async (context) => {
    const bench = newBench(context);
    const { ok, run, path, storage } = bench;
    await withCopy(bench, REST_MS);
    const [name = ""] = readdirSync(path("storage", "index"), { recursive: true, encoding: "utf8" });
    const bytes = readFileSync(path("storage", "index", name));
    bytes.writeUInt8(bytes.readUInt8(200) ^ 1, 200);
    rmSync(path("storage", "index", name));
    writeFileSync(path("storage", "index", name), bytes);
    assertError(
      await run(["backup", storage, path("source")]),
      5,
      /Run `holdfast clean`: it writes the index anew/u,
    );
    assert.match((await ok(["clean", storage])).stdout, /The index had gaps and was written anew/u);
    assert.equal(summaryOf(await ok(["backup", storage, path("source"), "--json"]))["filesUnchanged"], 1);
    await ok(["verify", storage, "--read-data"]);
  });
});
