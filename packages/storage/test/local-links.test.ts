/** Giving an object its name where `link` is missing or answers oddly. */
import assert from "node:assert/strict";
import { mkdtemp, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { type Clock, isAppError } from "@holdfast/kernel";
import { testStorage } from "../src/conformance.ts";
import { openLocalStorage } from "../src/index.ts";
import { replaceLink } from "./file-calls.ts";
import { ManualClock } from "./manual-clock.ts";
import { scratchFolder } from "./scratch-folder.ts";

const refused = replaceLink(async () => {
  throw Object.assign(new Error("no links here"), { code: "EPERM" });
});
const scratch = await scratchFolder();
after(async () => {
  refused[Symbol.dispose]();
  await scratch[Symbol.asyncDispose]();
});

async function openWithoutLinks(clock?: Clock) {
  const path = await mkdtemp(join(scratch.path, "storage-"));
  return openLocalStorage(path, clock === undefined ? {} : { clock });
}

testStorage("local without hard links", openWithoutLinks);

suite("local storage without hard links", () => {
  test("no claim and no temporary file stays", async () => {
    await using storage = await openWithoutLinks();
    const puts = Array.from({ length: 8 }, () => storage.put("packs/a", Buffer.from("hello")));
    await Promise.all(puts);
    assert.deepEqual(await readdir(join(storage.location, "tmp")), []);
  });

  test("the claim of a killed writer blocks that name, says so, and is swept", async () => {
    const clock = new ManualClock(Date.now());
    const impatient: Clock = {
      now: () => clock.now(),
      monotonic: () => clock.monotonic(),
      sleep: async () => undefined,
    };
    await using storage = await openWithoutLinks(impatient);
    await storage.put("other", new Uint8Array(1));
    // sha-256 of "packs/a"
    const claim = join(
      storage.location,
      "tmp/claim-663ffb7c7ad9e17333c52a32e0983a7a4dd3b4cd7db1e0ebc2257a05179e890b",
    );
    await writeFile(claim, "");
    await assert.rejects(
      storage.put("packs/a", new Uint8Array(1)),
      (error) => isAppError(error, "ERR_STORAGE_FAILED") && error.remedy?.includes(claim) === true,
    );
    assert.equal(await storage.put("packs/b", new Uint8Array(1)), "created");
    assert.equal(await storage.sweep(), 0);
    clock.advance(25 * 60 * 60 * 1000);
    assert.equal(await storage.sweep(), 1);
    assert.equal(await storage.put("packs/a", new Uint8Array(1)), "created");
  });
});

suite("local storage: links over a network", () => {
  test("a link that was made but is answered with EEXIST counts as made", async () => {
    await using storage = await openWithoutLinks();
    using repeated = replaceLink(async (link, from, to) => {
      await link(from, to);
      throw Object.assign(new Error("exists"), { code: "EEXIST" });
    });
    assert(repeated);
    assert.equal(await storage.put("packs/a", Buffer.from("hello")), "created");
    assert.equal((await storage.get("packs/a")).toString(), "hello");
  });
});
