/**
 * Where lists may be stale, time stands in for what they do not show yet (docs/format.md, section 9): each of these waits alone keeps
 * a copy from losing a chunk, once in a very long while.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { suite, test } from "node:test";
import { MemoryStorage, type Storage } from "@holdfast/storage";
import { clean } from "../src/maintenance/clean.ts";
import {
  advance,
  condemn,
  type Condemned,
  type CondemnationPorts,
  isDoneForAll,
  listCondemnedState,
  noteDone,
} from "../src/maintenance/condemnations.ts";
import { forgetCopies } from "../src/maintenance/forget.ts";
import type { Repository } from "../src/repository.ts";
import { withCalls } from "./changed-storage.ts";
import { GCM_HIGH, newRepository, writeCopy } from "./fixture-writer.ts";
import { contentsOf, file, namesOf, SMALL_PACKS } from "./maintenance-parts.ts";

const HOUR_MS = 3_600_000;
const OLD_SESSION = "0a".repeat(16);
const NEW_SESSION = "0b".repeat(16);

interface Scene {
  readonly repository: Repository;
  readonly storage: Storage;
  readonly ports: CondemnationPorts;
  readonly skipHours: (hours: number) => void;
}

async function newScene(listConsistent = false): Promise<Scene> {
  let nowMs = Date.UTC(2026, 0, 1);
  const clock = { now: () => nowMs, monotonic: () => nowMs, sleep: async () => undefined };
  const memory = new MemoryStorage({ clock });
  const storage = withCalls(memory, { capabilities: { ...memory.capabilities, listConsistent } });
  const { repository: made } = await newRepository(GCM_HIGH, memory);
  const repository = { ...made, ports: { ...made.ports, clock, storage } };
  const ports = { storage, clock, keys: made.keys };
  return { repository, storage, ports, skipHours: (hours) => (nowMs += hours * HOUR_MS) };
}

/** The one condemned object there is, with what is noted about it by now. */
async function theCondemned({ ports }: Scene): Promise<Condemned> {
  const [only, ...others] = (await listCondemnedState(ports)).condemned;
  assert(only !== undefined && others.length === 0);
  return only;
}

async function verdict(scene: Scene, alive: readonly string[]): Promise<string> {
  return advance(scene.ports, await theCondemned(scene), alive);
}

const somePack = (): string => randomBytes(32).toString("hex");

suite("packs are deleted", () => {
  test("at once when nobody is there, where lists are consistent", async () => {
    const scene = await newScene(true);
    await condemn(scene.ports, [somePack()]);
    assert.equal(await verdict(scene, []), "ready");
  });

  test("when all are gone that were there at the condemnation, and not before", async () => {
    const scene = await newScene(true);
    await condemn(scene.ports, [somePack()]);
    assert.equal(await verdict(scene, [OLD_SESSION, NEW_SESSION]), "sessions");
    // The other one has gone; a third one knows what is condemned.
    assert.equal(await verdict(scene, [OLD_SESSION, "0c".repeat(16)]), "sessions");
    assert.equal(await verdict(scene, ["0c".repeat(16)]), "ready");
  });

  test("not for somebody of whom one wait says that it knows", async () => {
    const scene = await newScene(true);
    await condemn(scene.ports, [somePack()]);
    assert.equal(await verdict(scene, [OLD_SESSION]), "sessions");
    assert.equal(await verdict(scene, [OLD_SESSION, NEW_SESSION]), "sessions");
    assert.equal(await verdict(scene, [NEW_SESSION]), "ready");
  });

  test("where lists are stale, 96 hours later at the earliest, and 48 after nobody was seen to be there", async () => {
    const scene = await newScene();
    await condemn(scene.ports, [somePack()]);
    scene.skipHours(95.9);
    assert.equal(await verdict(scene, []), "stale lists");
    assert.deepEqual((await theCondemned(scene)).waits, [], "whom a list shows that early says nothing");
    scene.skipHours(0.1);
    assert.equal(await verdict(scene, [OLD_SESSION]), "sessions");
    assert.equal(await verdict(scene, []), "stale lists");
    scene.skipHours(47.9);
    assert.equal(await verdict(scene, []), "stale lists");
    scene.skipHours(0.1);
    assert.equal(await verdict(scene, []), "ready");
  });

  test("and where lists are stale, stay condemned until each list shows that they are gone", async () => {
    const scene = await newScene();
    await condemn(scene.ports, [somePack()]);
    await noteDone(scene.ports, await theCondemned(scene));
    scene.skipHours(47.9);
    assert.equal(isDoneForAll(scene.ports, await theCondemned(scene)), false);
    scene.skipHours(0.1);
    assert.equal(isDoneForAll(scene.ports, await theCondemned(scene)), true);
  });
});

suite("where lists are stale", () => {
  test("a cleaner leaves index segments and condemned objects for those who do not see the new ones yet", async () => {
    const scene = await newScene();
    const { repository, storage, skipHours } = scene;
    const [gone, kept] = [randomBytes(9000), randomBytes(9000)];
    const id = await writeCopy(repository, [file("a", gone)], SMALL_PACKS);
    const other = await writeCopy(repository, [file("b", kept)], SMALL_PACKS);
    await forgetCopies(repository, [id]);
    const segments = await namesOf(storage, "index/");
    await clean(repository);
    const merged = await namesOf(storage, "index/");
    assert(merged.length > segments.length && segments.every((name) => merged.includes(name)));
    for (const hours of [96, 48]) {
      skipHours(hours);
      await clean(repository);
    }
    assert.equal((await namesOf(storage, "packs/")).length, 2, "those of the copy that is left");
    assert.equal((await namesOf(storage, "index/")).length, 2, "one stands for the other");
    assert.equal((await namesOf(storage, "condemned/")).length, 1);
    skipHours(49);
    await clean(repository);
    assert.equal((await namesOf(storage, "index/")).length, 1);
    assert.deepEqual(await namesOf(storage, "condemned/"), []);
    assert.deepEqual((await contentsOf(repository)).get(other)?.get("/b"), kept);
  });

  test("a writer merges no segments", async () => {
    for (const listConsistent of [false, true]) {
      const { repository, storage } = await newScene(listConsistent);
      await writeCopy(repository, [file("a", randomBytes(9000))], SMALL_PACKS);
      await writeCopy(repository, [file("b", randomBytes(9000))], { ...SMALL_PACKS, segmentsMax: 0 });
      assert.equal((await namesOf(storage, "index/")).length, listConsistent ? 1 : 2);
    }
  });
});
