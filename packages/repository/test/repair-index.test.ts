/** When the index is written anew, and when it is left alone: entries that are lost for ever are worse than a damaged segment. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { openLocalStorage, type Storage } from "@holdfast/storage";
import { repairIndex } from "../src/maintenance/repair-index.ts";
import { hashOfName } from "../src/format/object-names.ts";
import { openIndexForReading } from "../src/reading/open-index.ts";
import type { Repository } from "../src/repository.ts";
import { Session } from "../src/sessions/session.ts";
import { withCalls } from "./changed-storage.ts";
import { type FixtureRepository, newRepository, writeCopy } from "./fixture-writer.ts";
import { contentsOf, file, namesOf, refusedWith, replaceObject, SMALL_PACKS } from "./maintenance-parts.ts";

interface Scene extends FixtureRepository {
  /** The segment of the first of two copies, which is damaged. */
  readonly damaged: string;
  /** Packs that only the damaged segment named, and those that only the other one names. */
  readonly unnamed: readonly string[];
  readonly named: readonly string[];
  /** Of all copies, before the damage. */
  readonly contents: Awaited<ReturnType<typeof contentsOf>>;
  /** @param calls what the storage does otherwise. */
  readonly repair: (calls?: Partial<Storage>, isAlone?: boolean) => Promise<boolean>;
  readonly index: () => Promise<string[]>;
}

async function flip(storage: Storage, name: string, at: number): Promise<void> {
  const bytes = await storage.get(name);
  bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
  await replaceObject(storage, name, bytes);
}

/** @param share where in the segment the damage is. */
async function newScene(share = 0, place?: Storage): Promise<Scene> {
  const made = await newRepository(undefined, place);
  const { repository, storage } = made;
  await writeCopy(repository, [file("a", randomBytes(60_000))], SMALL_PACKS);
  const [damaged = ""] = await namesOf(storage, "index/");
  const unnamed = await namesOf(storage, "packs/");
  await writeCopy(repository, [file("b", randomBytes(60_000))], SMALL_PACKS);
  const named = (await namesOf(storage, "packs/")).filter((name) => !unnamed.includes(name));
  const contents = await contentsOf(repository);
  await flip(storage, damaged, 20 + Math.trunc(share * (await storage.get(damaged)).length));
  return {
    ...made,
    damaged,
    unnamed,
    named,
    contents,
    index: () => namesOf(storage, "index/"),
    repair: async (calls = {}, isAlone = true) => {
      const ports = { ...repository.ports, storage: withCalls(storage, calls) };
      const changed: Repository = { ...repository, ports };
      const session = await Session.start(randomBytes(16), "cleaner", ports, repository.keys);
      return repairIndex(changed, session, { isAlone });
    },
  };
}

/** As if another cleaner had called every session lost. */
async function endSessions(storage: Storage): Promise<void> {
  for (const name of await namesOf(storage, "sessions/")) await storage.delete(name);
}

suite("The repair of the index", () => {
  test("replaces a damaged segment by what the packs say", async () => {
    const { repair, repository, index, damaged, contents } = await newScene();
    assert.equal(await repair(), true);
    assert.ok(!(await index()).includes(damaged));
    assert.equal(await repair(), false);
    assert.deepEqual(await contentsOf(repository), contents);
  });

  test("looks into every part of a segment, also those that opening the index does not read", async (context) => {
    for (let tenth = 1; tenth < 10; tenth += 1) {
      const folder = await mkdtemp(join(tmpdir(), "holdfast-repair-"));
      context.after(() => rm(folder, { recursive: true }));
      await using place = await openLocalStorage(folder);
      const { repair, index, damaged } = await newScene(tenth / 10, place);
      assert.equal(await repair(), true, `${String(tenth)} tenths`);
      assert.ok(!(await index()).includes(damaged));
    }
  });

  test("waits until nobody else is at work, whose packs the damaged segment may be the only one to name", async () => {
    const { repair, index } = await newScene();
    const before = await index();
    assert.equal(await repair({}, false), false);
    assert.deepEqual(await index(), before);
  });

  test("keeps a damaged segment while there is a pack that nothing else can name", async () => {
    const { repair, index, storage, unnamed } = await newScene();
    const before = await index();
    const [pack = ""] = unnamed;
    // The directory is at the end.
    await flip(storage, pack, (await storage.get(pack)).length - 1);
    assert.equal(await repair(), false);
    assert.deepEqual(await index(), before);
  });

  test("is for no storage whose lists may be old", async () => {
    const { repair, index, storage } = await newScene();
    const before = await index();
    assert.equal(await repair({ capabilities: { ...storage.capabilities, listConsistent: false } }), false);
    assert.deepEqual(await index(), before);
  });

  test("writes nothing once its session was called lost", async () => {
    const { repair, index, storage } = await newScene();
    const before = await index();
    const list: Storage["list"] = async function* endAndList(prefix) {
      if (prefix.startsWith("packs")) await endSessions(storage);
      yield* storage.list(prefix);
    };
    await assert.rejects(repair({ list }), refusedWith("ERR_SESSION_LOST"));
    assert.deepEqual(await index(), before);
  });

  test("deletes nothing once its session was called lost", async () => {
    const { repair, index, storage, damaged } = await newScene();
    const put: Storage["put"] = async (name, bytes) => {
      const outcome = await storage.put(name, bytes);
      if (name.startsWith("index/")) await endSessions(storage);
      return outcome;
    };
    await assert.rejects(repair({ put }), refusedWith("ERR_SESSION_LOST"));
    assert.ok((await index()).includes(damaged));
  });

  test("leaves no entry of a pack that is gone: a backup would rely on it", async () => {
    const { repair, repository, storage, named } = await newScene();
    const [gone = ""] = named;
    await storage.delete(gone);
    assert.equal(await repair(), true);
    using opened = await openIndexForReading(storage, repository.keys, {});
    const names = opened.index.packNames();
    assert.ok(!names.has(hashOfName(gone) ?? Buffer.alloc(0)));
    for (const name of named.slice(1)) assert.ok(names.has(hashOfName(name) ?? Buffer.alloc(0)), name);
  });

  test("keeps every entry of a pack that was only left out of a list", async () => {
    const { repair, repository, storage, named, contents } = await newScene();
    const list: Storage["list"] = async function* listOthers(prefix) {
      for await (const object of storage.list(prefix)) if (!named.includes(object.name)) yield object;
    };
    assert.equal(await repair({ list }), true);
    assert.deepEqual(await contentsOf(repository), contents);
  });
});
