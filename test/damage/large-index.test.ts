/** An index segment of many frames: damage to any of them is found, and neither a restore nor a verification loses a file by it. */
import assert from "node:assert/strict";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { openCopyReader, resolveCopy, verifyRepository } from "@holdfast/repository";
import { newRepository, writeCopy } from "@holdfast/repository/fixture-writer";
import { restoreFiles } from "@holdfast/sources";
import { openLocalStorage } from "@holdfast/storage";
import { shareCompiledCode } from "../compile-cache.ts";
import { SeededRandom } from "../seeded-random.ts";
import { sha256 } from "./repository-in-hand.ts";

const CHUNKS = 3000;
const CHUNK_BYTES = 60;

suite("an index segment of many frames", () => {
  test("is made good from the packs, whichever of its frames is damaged", async (context) => {
    shareCompiledCode();
    const folder = fs.mkdtempSync(join(tmpdir(), "holdfast-index-"));
    context.after(() => {
      fs.rmSync(folder, { recursive: true, force: true });
    });
    const random = new SeededRandom("large index");
    const storage = await openLocalStorage(join(folder, "repository"), { create: true });
    const { repository } = await newRepository(undefined, storage);
    const content = Array.from({ length: CHUNKS }, () => random.bytes(CHUNK_BYTES));
    const id = await writeCopy(repository, [{ kind: "file", path: "many chunks", content }]);
    const [index] = fs.readdirSync(join(folder, "repository", "index"));
    assert(index !== undefined);
    const path = join(folder, "repository", "index", index);
    const good = fs.readFileSync(path);
    assert(good.length > 2.3 * 65_536, "three frames of entries");
    for (let at = 30; at < good.length; at += 27_000) {
      const bytes = Buffer.from(good);
      bytes.writeUInt8(bytes.readUInt8(at) ^ 4, at);
      fs.rmSync(path, { force: true });
      // Under the name that fits: only the tag of the frame tells.
      const renamed = join(folder, "repository", "index", sha256(bytes).toString("hex"));
      fs.writeFileSync(renamed, bytes);
      const { damaged } = await verifyRepository(repository, { readData: false, workers: 1 });
      assert.deepEqual(
        damaged.map(({ object, copies }) => [object, copies]),
        [[`index/${sha256(bytes).toString("hex")}`, []]],
        `byte ${String(at)}`,
      );
      const target = join(folder, `target ${String(at)}`);
      using reader = await openCopyReader(repository);
      const copy = resolveCopy(await reader.listCopies(), id);
      const summary = await restoreFiles(repository, { copy, target, existing: "skip", workers: 1 });
      assert.deepEqual([summary.files, summary.damaged], [1, 0], `byte ${String(at)}`);
      assert.deepEqual(fs.readFileSync(join(target, "many chunks")), Buffer.concat(content));
      fs.rmSync(renamed);
    }
  });
});
