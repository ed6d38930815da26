/**
 * Copies searched, compared and looked into through time, with a real service and a real agent.
 */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite, test } from "node:test";
import {
  comparisonView,
  pathVersions,
  searchView,
  startedSearch,
  type TaskResult,
  taskResults,
} from "@holdfast/protocol";
import { startSite, until } from "./copy-site.ts";
import type { Scene } from "./scene.ts";

async function search(
  { api }: Scene,
  fields: Readonly<Record<string, unknown>>,
): Promise<TaskResult<"search">> {
  const started = await api.ok("POST", "/searches", fields);
  const { searches } = startedSearch.parse(started);
  assert.equal(searches.length, 1);
  return until(async () => {
    const answer = await api.ok("GET", `/searches/${String(searches[0]?.task)}?wait=20`);
    const { result, error, state } = searchView.parse(answer);
    assert(state !== "failed", JSON.stringify(error));
    return result ?? undefined;
  }, "the search did not end");
}

suite("looking into copies", () => {
  test("versions, differences and searches over copies, and restoring what they show", {
    timeout: 300_000,
  }, async (context) => {
    const site = await startSite(context, (source) => {
      mkdirSync(join(source, "docs"));
      writeFileSync(join(source, "docs/Report.txt"), "first");
      writeFileSync(join(source, "docs/kept.txt"), "kept");
      writeFileSync(join(source, "docs/gone.txt"), "gone");
      writeFileSync(join(source, "docs/[a]*.txt"), "no pattern");
    });
    const { api, source, bench } = site;
    const docs = join(source, "docs");
    const first = await site.backUp();
    writeFileSync(join(docs, "Report.txt"), "second one");
    rmSync(join(docs, "gone.txt"));
    writeFileSync(join(docs, "new.txt"), "new");
    const second = await site.backUp();
    utimesSync(join(docs, "Report.txt"), 1_000_000, 1_000_000);
    const third = await site.backUp();

    const found = await search(site, { plan: site.plan, pattern: "report" });
    assert.deepEqual(found.copies, [third, second, first]);
    assert(found.complete);
    const [report] = found.found;
    assert.deepEqual(
      found.found.map(({ path }) => `/${path}`),
      [join(docs, "Report.txt")],
    );
    assert.deepEqual([report?.in, report?.size, report?.versions], [[0, 1, 2], "second one".length, 3]);
    const gone = await search(site, { device: site.device, pattern: "gone.*", match: "glob" });
    assert.deepEqual(
      gone.found.map((one) => one.in),
      [[2]],
    );
    assert.deepEqual((await search(site, { copy: second, pattern: "gone" })).found, []);

    const versions = pathVersions.parse(
      await api.ok(
        "GET",
        `/copies/${third}/versions?${new URLSearchParams({ path: join(docs, "Report.txt") }).toString()}`,
      ),
    );
    assert.deepEqual(
      versions.versions.map(({ copy, change, size }) => [copy, change, size]),
      [
        [third, "metadata", 10],
        [second, "modified", 10],
        [first, "added", 5],
      ],
    );

    const { task } = await api.ok("POST", "/comparisons", { before: first, after: second, path: source });
    const result = await until(async () => {
      const answer = await api.ok("GET", `/comparisons/${String(task)}?wait=20`);
      return comparisonView.parse(answer).result ?? undefined;
    }, "the comparison did not end");
    assert(result.counts !== undefined && result.folders !== undefined);
    const { differences, counts, folders } = result;
    const changes = new Map(differences.map(({ path, change }) => [path.slice(source.length), change]));
    assert.equal(changes.get("docs/Report.txt"), "modified");
    assert.equal(changes.get("docs/gone.txt"), "removed");
    assert.equal(changes.get("docs/new.txt"), "added");
    assert.equal(changes.get("docs/kept.txt"), undefined);
    assert.deepEqual([counts.added, counts.removed, counts.modified], [1, 1, 1]);
    assert.deepEqual(
      folders.map(({ name, added }) => [name, added]),
      [["docs", 1]],
    );
    // Who may see tasks may not see what is in copies.
    assert.equal((await api.ok("GET", `/tasks/${String(task)}`))["result"], null);

    const target = bench.path("restored");
    const selection = { target, paths: [join(docs, "[a]*.txt")] };
    const dry = await site.ended(
      (await api.ok("POST", `/copies/${third}/restore`, { ...selection, dryRun: true }))["task"],
    );
    const counted = taskResults.restore.parse(dry["result"]);
    assert.deepEqual([counted.files, counted.dryRun], [1, true]);
    assert.throws(() => readFileSync(join(target, docs, "[a]*.txt")), { code: "ENOENT" });
    const done = await site.ended((await api.ok("POST", `/copies/${third}/restore`, selection))["task"]);
    assert.equal(done["state"], "succeeded", JSON.stringify(done["error"]));
    assert.equal(readFileSync(join(target, docs, "[a]*.txt"), "utf8"), "no pattern");
    assert.throws(() => readFileSync(join(target, docs, "kept.txt")), { code: "ENOENT" });
  });

  test("a search among 100,000 files, page by page", { timeout: 600_000 }, async (context) => {
    const count = 100_000;
    const site = await startSite(context, async (source) => {
      for (let folder = 0; folder < 100; folder += 1) {
        await mkdir(join(source, String(folder)));
        const names = Array.from({ length: count / 100 }, (_, number) => nameOf(number));
        await Promise.all(names.map((name) => writeFile(join(source, String(folder), name), "")));
      }
    });
    const copy = await site.backUp();
    const paths: string[] = [];
    let after: string | undefined;
    do {
      const page = await search(site, {
        copy,
        pattern: "wanted-*",
        match: "glob",
        limit: 1000,
        ...(after === undefined ? {} : { after }),
      });
      paths.push(...page.found.map(({ path }) => path));
      after = page.next;
    } while (after !== undefined);
    assert.equal(paths.length, count / 40);
    assert.equal(new Set(paths).size, paths.length);
  });
});

function nameOf(number: number): string {
  return `${number % 40 === 0 ? "wanted" : "other"}-${String(number)}`;
}
