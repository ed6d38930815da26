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

  test("refuses when something that a copy needs is in no index and no pack, and deletes nothing", async () => {
    const { repository, storage } = await newRepository();
    const first = await writeCopy(repository, [file("a", randomBytes(9000))], SMALL_PACKS);
    const before = await namesOf(storage, "");
    await writeCopy(repository, [file("b", randomBytes(9000))], SMALL_PACKS);
    await forgetCopies(repository, [first]);
    for (const name of await namesOf(storage, "")) {
      if (/^(?:packs|index)/u.test(name) && !before.includes(name)) await storage.delete(name);
    }
    const left = await namesOf(storage, "");
    await assert.rejects(clean(repository), refusedWith("ERR_DAMAGED"));
    assert.deepEqual(await namesOf(storage, ""), left);
  });

  for (const [what, at] of [
    ["missing", undefined],
    ["damaged in its head", 20],
    ["damaged at its end", -20],
  ] as const) {
    test(`writes an index segment anew that is ${what}, from the packs`, async () => {
      const { repository, storage } = await newRepository();
      const entries = [file("a", randomBytes(60_000))];
      await writeCopy(repository, entries, SMALL_PACKS);
      await writeCopy(repository, [file("b", randomBytes(60_000))], SMALL_PACKS);
      const contents = await contentsOf(repository);
      const [name = ""] = await namesOf(storage, "index/");
      const bytes = await storage.get(name);
      await storage.delete(name);
      if (at !== undefined) {
        bytes.writeUInt8(
          bytes.readUInt8(at < 0 ? bytes.length + at : at) ^ 1,
          at < 0 ? bytes.length + at : at,
        );
        await storage.put(name, bytes);
      }
      const packs = await namesOf(storage, "packs/");
      assert.equal((await clean(repository)).indexRepaired, true);
      assert(!(await namesOf(storage, "index/")).includes(name));
      assert.deepEqual(await namesOf(storage, "packs/"), packs);
      assert.deepEqual(await contentsOf(repository), contents);
      // Everything is found again, so that only metadata are new.
      await writeCopy(repository, entries, SMALL_PACKS);
      assert((await namesOf(storage, "packs/")).length <= packs.length + 1);
      const again = await clean(repository);
      assert.deepEqual([again.indexRepaired, again.missingPacks], [false, []]);
    });
  }

  test("brings back no entry of a deleted pack with a segment that a damaged one stood for", async () => {
    const { repository, storage } = await newRepository();
    const gone = file("gone", randomBytes(60_000));
    const first = await writeCopy(repository, [gone], SMALL_PACKS);
    await writeCopy(repository, [file("b", randomBytes(60_000))], SMALL_PACKS);
    const old = await Promise.all(
      (await namesOf(storage, "index/")).map(async (name) => ({ name, bytes: await storage.get(name) })),
    );
    await forgetCopies(repository, [first]);
    assert((await clean(repository)).packsDeleted > 0);
    // As if the clean-up had been cut before it deleted what it had merged; then the merged segment is damaged.
    const [merged = ""] = await namesOf(storage, "index/");
    for (const { name, bytes } of old) await storage.put(name, bytes);
    const bytes = await storage.get(merged);
    bytes.writeUInt8(bytes.readUInt8(20) ^ 1, 20);
    await replaceObject(storage, merged, bytes);
    assert.equal((await clean(repository)).indexRepaired, true);
    const last = await writeCopy(repository, [gone], SMALL_PACKS);
    const restored = (await contentsOf(repository)).get(last)?.get("/gone");
    assert(gone.kind === "file" && gone.content instanceof Buffer);
    assert.deepEqual(restored, gone.content);
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

  for (const kind of ["missing", "damaged"] as const) {
    test(`lets a backup store anew what a ${kind} pack held, and gives the pack back when all is healed`, async () => {
      const { repository, storage } = await newRepository();
      const content = randomBytes(60_000);
      const entries = [file("a", content)];
      await writeCopy(repository, entries, SMALL_PACKS);
      const name = await packOfKind(repository, 1);
      const bytes = await storage.get(name);
      bytes[30_000] = (bytes[30_000] ?? 0) ^ 1;
      if (kind === "damaged") await replaceObject(storage, name, bytes);
      else await storage.delete(name);
      const hex = name.slice(-64);
      const damagedPacks = kind === "damaged" ? [hex] : [];
      // Without a word from a cleaner, a writer relies on what the index says.
      await writeCopy(repository, entries, SMALL_PACKS);
      await assert.rejects(contentsOf(repository));
      const found = await clean(repository, { damagedPacks });
      assert.deepEqual([...found.missingPacks, ...found.damagedPacks], [hex]);
      // Also a cleaner that does not look at the packs leaves them condemned.
      assert.equal((await clean(repository)).packsDeleted, 0);
      assert.equal((await namesOf(storage, "condemned/")).length, 1);
      await writeCopy(repository, entries, SMALL_PACKS);
      const healed = await clean(repository);
      assert.deepEqual([healed.missingPacks, healed.damagedPacks], [[], []]);
      assert.deepEqual(await namesOf(storage, "condemned/"), []);
      assert(!(await namesOf(storage, "packs/")).includes(name));
      const contents = [...(await contentsOf(repository)).values()];
      assert.equal(contents.length, 3);
      for (const files of contents) assert.deepEqual(files.get("/a"), content);
    });
  }

  test("keeps the good place of a chunk of which another place is lost, whichever that is", async () => {
    for (const which of [0, 1]) {
      const { repository, storage } = await newRepository();
      const content = randomBytes(30_000);
      await writeCopy(repository, [file("a", content)], SMALL_PACKS);
      const before = new Set(await namesOf(storage, "packs/"));
      await writeCopy(repository, [file("a", content)], { ...SMALL_PACKS, withoutDeduplication: true });
      const names = await namesOf(storage, "packs/");
      const later = names.filter((name) => !before.has(name));
      const data = [[...before], later].map((group) => group.toSorted());
      for (const name of data[which] ?? []) {
        const { size = 0 } = (await storage.stat(name)) ?? {};
        const { kind } = await readPackDirectory(storage, repository.keys, name, size);
        if (kind === 1) await storage.delete(name);
      }
      const { missingPacks } = await clean(repository);
      assert.deepEqual(missingPacks, []);
      const contents = [...(await contentsOf(repository)).values()];
      assert.equal(contents.length, 2);
      for (const files of contents) assert.deepEqual(files.get("/a"), content);
    }
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
