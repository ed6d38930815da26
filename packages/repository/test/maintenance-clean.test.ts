/** Forgetting and cleaning with nobody else at work, and the look at what copies need. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { suite, test } from "node:test";
import { FaultStorage } from "@holdfast/storage";
import { listCopies } from "../src/copies/copies.ts";
import { clean } from "../src/maintenance/clean.ts";
import { forgetCopies } from "../src/maintenance/forget.ts";
import { loadIndex, markLive } from "../src/maintenance/mark.ts";
import { readPackDirectory } from "../src/packs/read-directory.ts";
import { ALL_SUITES, type FixtureEntry, newRepository, writeCopy } from "./fixture-writer.ts";
import {
  contentsOf,
  file,
  namesOf,
  packOfKind,
  refusedWith,
  replaceObject,
  SMALL_PACKS,
} from "./maintenance-parts.ts";

suite("forgetting", () => {
  test("deletes manifests and nothing else, also twice", async () => {
    const fixture = await newRepository();
    const { repository, storage } = fixture;
    const id = await writeCopy(repository, [file("a", randomBytes(9000))], SMALL_PACKS);
    const before = await namesOf(storage, "");
    const maintainer = await fixture.open(["maintain"]);
    await forgetCopies(maintainer, [id]);
    await forgetCopies(maintainer, [id]);
    assert.deepEqual(
      await namesOf(storage, ""),
      before.filter((name) => !name.startsWith("copies/")),
    );
  });

  test("refuses what is no id before it deletes anything", async () => {
    const { repository, storage } = await newRepository();
    const id = await writeCopy(repository, [file("a", randomBytes(10))], SMALL_PACKS);
    await assert.rejects(forgetCopies(repository, [id, "../config"]), refusedWith("ERR_COPY_NOT_FOUND"));
    assert.deepEqual(await namesOf(storage, "copies/"), [`copies/${id}`]);
  });
});

for (const cipherSuite of ALL_SUITES) {
  suite(`cleaning, ${cipherSuite.name}`, () => {
    test("gives back what no copy needs in one run, repacks the rest, and needs the table key only", async () => {
      const fixture = await newRepository(cipherSuite);
      const { repository, storage } = fixture;
      const kept = randomBytes(12_000);
      const first = await writeCopy(
        repository,
        [file("gone", randomBytes(60_000)), file("kept", kept)],
        SMALL_PACKS,
      );
      const second = await writeCopy(repository, [file("kept", kept)], SMALL_PACKS);
      const maintainer = await fixture.open(["maintain"]);
      assert.deepEqual(Object.keys(maintainer.keys).toSorted(), ["repository", "tableKey"]);
      await forgetCopies(maintainer, [first]);
      const planned = await clean(maintainer, { dryRun: true });
      const done = await clean(maintainer);
      assert.deepEqual([done.packsDeleted, done.packsRepacked, done.pendingReason], [2, 1, undefined]);
      assert.equal(planned.packsDeleted, done.packsDeleted);
      assert.equal(planned.bytesFreed, done.bytesFreed);
      assert(done.bytesWritten < done.bytesFreed);
      const contents = await contentsOf(repository);
      assert.deepEqual([...contents.keys()], [second]);
      assert.deepEqual(contents.get(second)?.get("/kept"), kept);
      for (const prefix of ["sessions/", "condemned/", "waits/"]) {
        assert.deepEqual(await namesOf(storage, prefix), []);
      }
      assert.equal((await clean(maintainer)).packsDeleted, 0);
    });
  });
}

suite("cleaning", () => {
  test("keeps a bundle whole when one of its members is needed", async () => {
    const { repository } = await newRepository();
    const members = Array.from({ length: 3 }, () => randomBytes(2500));
    const entries = members.map((content, index) => file(`f${String(index)}`, content));
    const first = await writeCopy(repository, entries, SMALL_PACKS);
    const second = await writeCopy(repository, entries.slice(0, 1), SMALL_PACKS);
    await forgetCopies(repository, [first]);
    const { packsRepacked } = await clean(repository);
    assert.equal(packsRepacked, 0, "nothing can be taken out of the bundle");
    assert.deepEqual((await contentsOf(repository)).get(second)?.get("/f0"), members[0]);
  });

  test("copies records of several sessions into one pack, with their keys", async () => {
    const { repository, storage } = await newRepository();
    const forgotten: string[] = [];
    const all: FixtureEntry[] = [];
    for (let index = 0; index < 4; index += 1) {
      const kept = file(`kept${String(index)}`, randomBytes(9000));
      const gone = file(`gone${String(index)}`, randomBytes(40_000));
      forgotten.push(await writeCopy(repository, [gone, kept], SMALL_PACKS));
      all.push(kept);
    }
    const last = await writeCopy(repository, all, SMALL_PACKS);
    await forgetCopies(repository, forgotten);
    const { packsRepacked } = await clean(repository);
    assert.equal(packsRepacked, 4);
    const data = await packOfKind(repository, 1);
    const { open: opened } = await readPackDirectory(
      storage,
      repository.keys,
      data,
      (await storage.stat(data))?.size ?? 0,
    );
    assert.equal(opened.front.envelopes.length, 4);
    const contents = (await contentsOf(repository)).get(last);
    for (const entry of all) {
      assert(entry.kind === "file" && entry.content instanceof Uint8Array);
      assert.deepEqual(contents?.get(`/${String(entry.path)}`), entry.content);
    }
  });

  test("leaves one place of a chunk that was stored twice", async () => {
    const { repository, storage } = await newRepository();
    const content = randomBytes(30_000);
    await writeCopy(repository, [file("a", content)], SMALL_PACKS);
    await writeCopy(repository, [file("b", content)], { ...SMALL_PACKS, withoutDeduplication: true });
    assert.equal((await namesOf(storage, "packs/")).length, 4);
    assert.equal((await clean(repository)).packsDeleted, 1);
    for (const files of (await contentsOf(repository)).values()) {
      assert([...files.values()].every((bytes) => bytes.equals(content)));
    }
  });

  test("removes packs that no index names", async () => {
    const { repository, storage } = await newRepository();
    await writeCopy(repository, [file("a", randomBytes(9000))], SMALL_PACKS);
    const [index] = await namesOf(storage, "index/");
    await writeCopy(repository, [file("b", randomBytes(9000))], SMALL_PACKS);
    const later = (await namesOf(storage, "index/")).filter((name) => name !== index);
    const copies = await listCopies(storage, repository.keys);
    await forgetCopies(
      repository,
      copies.copies.slice(1).map(({ id }) => id),
    );
    for (const name of later) await storage.delete(name);
    assert.equal((await clean(repository)).packsDeleted, 2);
    assert.equal((await namesOf(storage, "packs/")).length, 2);
  });

  test("refuses when something that a copy needs is missing, and deletes nothing", async () => {
    const { repository, storage } = await newRepository();
    const first = await writeCopy(repository, [file("a", randomBytes(9000))], SMALL_PACKS);
    await writeCopy(repository, [file("b", randomBytes(9000))], SMALL_PACKS);
    await forgetCopies(repository, [first]);
    const [, second] = await namesOf(storage, "index/");
    assert(second !== undefined);
    for (const name of await namesOf(storage, "index/")) await storage.delete(name);
    const before = await namesOf(storage, "");
    await assert.rejects(clean(repository), refusedWith("ERR_DAMAGED"));
    assert.deepEqual(await namesOf(storage, ""), before);
  });

  test("refuses when a manifest is damaged, until that copy is forgotten", async () => {
    const { repository, storage } = await newRepository();
    const id = await writeCopy(repository, [file("a", randomBytes(9000))], SMALL_PACKS);
    const bytes = await storage.get(`copies/${id}`);
    bytes[100] = (bytes[100] ?? 0) ^ 1;
    await replaceObject(storage, `copies/${id}`, bytes);
    await assert.rejects(clean(repository), refusedWith("ERR_DAMAGED"));
    assert.equal((await namesOf(storage, "packs/")).length, 2);
    await forgetCopies(repository, [id]);
    assert.equal((await clean(repository)).packsDeleted, 2);
  });

  test("does not hide damage by copying it to a new pack", async () => {
    const { repository, storage } = await newRepository();
    const kept = file("kept", randomBytes(9000));
    const first = await writeCopy(repository, [file("gone", randomBytes(60_000)), kept], SMALL_PACKS);
    await writeCopy(repository, [kept], SMALL_PACKS);
    await forgetCopies(repository, [first]);
    const name = await packOfKind(repository, 1);
    const bytes = await storage.get(name);
    bytes[30_000] = (bytes[30_000] ?? 0) ^ 1;
    await replaceObject(storage, name, bytes);
    const { damagedPacks, packsRepacked } = await clean(repository);
    assert.deepEqual([damagedPacks, packsRepacked], [[name.slice(-64)], 0]);
    assert.deepEqual(await storage.get(name), bytes);
  });

  test("changes nothing in a dry run", async () => {
    const { repository, storage } = await newRepository();
    const id = await writeCopy(repository, [file("a", randomBytes(9000))], SMALL_PACKS);
    await forgetCopies(repository, [id]);
    const before = await namesOf(storage, "");
    assert.equal((await clean(repository, { dryRun: true })).packsDeleted, 2);
    assert.deepEqual(await namesOf(storage, ""), before);
  });

  test("stops when it is cancelled", async () => {
    const { repository, storage } = await newRepository();
    await writeCopy(repository, [file("a", randomBytes(9000))], SMALL_PACKS);
    const signal = AbortSignal.abort();
    await assert.rejects(clean(repository, { signal }), refusedWith("ERR_CANCELLED"));
    assert.deepEqual(await namesOf(storage, "sessions/"), []);
  });

  test("merges small segments, and a backup does when there are many", async () => {
    const { repository, storage } = await newRepository();
    for (let index = 0; index < 5; index += 1) {
      await writeCopy(repository, [file("a", randomBytes(3000))], { ...SMALL_PACKS, segmentsMax: 4 });
    }
    assert((await namesOf(storage, "index/")).length <= 4);
    await writeCopy(repository, [file("a", randomBytes(3000))], SMALL_PACKS);
    await clean(repository);
    assert.equal((await namesOf(storage, "index/")).length, 1);
    assert.equal((await contentsOf(repository)).size, 6);
  });
});

suite("marking", () => {
  test("reads tree records only, and each once however many copies there are", async () => {
    const { repository, storage } = await newRepository();
    const entries = Array.from({ length: 40 }, (_, index) => file(`f${String(index)}`, randomBytes(3000)));
    for (let copy = 0; copy < 3; copy += 1) await writeCopy(repository, entries, SMALL_PACKS);
    const metadata = new Set<string>();
    for await (const { name, size } of storage.list("packs/")) {
      if ((await readPackDirectory(storage, repository.keys, name, size)).kind === 2) metadata.add(name);
    }
    const { copies } = await listCopies(storage, repository.keys);
    await using recorder = new FaultStorage(storage);
    const watched = { ...repository, ports: { ...repository.ports, storage: recorder } };
    using live = await markLive(watched, copies);
    const read = recorder.operations.flatMap(({ kind, name }) =>
      kind === "get" && name.startsWith("packs/") ? [name] : [],
    );
    assert(read.length > 0 && read.every((name) => metadata.has(name)));
    // Front and records of each pack, in one read each.
    assert.equal(read.length, 2 * new Set(read).size);
    using loaded = await loadIndex(repository);
    assert.equal(live.index.segments.length, loaded.snapshot.segments.length);
  });
});
