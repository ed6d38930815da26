/** Cleaning while others are at work, and what becomes of sessions that are lost. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { suite, test } from "node:test";
import { MemoryStorage } from "@holdfast/storage";
import { clean } from "../src/maintenance/clean.ts";
import { forgetCopies } from "../src/maintenance/forget.ts";
import type { Repository } from "../src/repository.ts";
import { listCondemned } from "../src/sessions/condemned.ts";
import { closeSession, listSessions, Session } from "../src/sessions/session.ts";
import { WriteSession } from "../src/sessions/write-session.ts";
import { GCM_HIGH, newRepository, writeCopy } from "./fixture-writer.ts";
import { contentsOf, file, namesOf, refusedWith, SMALL_PACKS } from "./maintenance-parts.ts";

suite("cleaning while others are at work", () => {
  test("waits for a writer that may use what is condemned, then goes on", async () => {
    const { repository, storage } = await newRepository();
    const content = randomBytes(9000);
    const id = await writeCopy(repository, [file("a", content)], SMALL_PACKS);
    await forgetCopies(repository, [id]);
    const writer = await WriteSession.begin(repository, { compressionLevel: 0 });
    const first = await clean(repository);
    assert.deepEqual([first.packsDeleted, first.packsPending, first.pendingReason], [0, 2, "sessions"]);
    assert.deepEqual(
      first.waitingFor.map(({ host }) => host),
      ["fixture"],
    );
    assert.equal((await namesOf(storage, "waits/")).length, 1);
    assert.equal((await clean(repository)).pendingReason, "sessions");
    await writer.abandon();
    assert.equal((await clean(repository)).packsDeleted, 2);
    assert.deepEqual(await namesOf(storage, "waits/"), []);
  });

  test("does not wait for a writer that began after the condemnation", async () => {
    const { repository } = await newRepository();
    const id = await writeCopy(repository, [file("a", randomBytes(9000))], SMALL_PACKS);
    await forgetCopies(repository, [id]);
    const early = await WriteSession.begin(repository, { compressionLevel: 0 });
    await clean(repository);
    const late = await WriteSession.begin(repository, { compressionLevel: 0 });
    await early.abandon();
    assert.equal((await clean(repository)).packsDeleted, 2);
    await late.abandon();
  });

  test("spares what a copy needs that was finished meanwhile", async () => {
    const { repository, storage } = await newRepository();
    const content = randomBytes(9000);
    const id = await writeCopy(repository, [file("a", content)], SMALL_PACKS);
    const manifest = await storage.get(`copies/${id}`);
    await forgetCopies(repository, [id]);
    const writer = await WriteSession.begin(repository, { compressionLevel: 0 });
    await clean(repository);
    // As if the writer had used every chunk of the forgotten copy.
    await storage.put(`copies/${id}`, manifest);
    await writer.abandon();
    const { packsDeleted, pendingReason } = await clean(repository);
    assert.deepEqual([packsDeleted, pendingReason], [0, undefined]);
    assert.deepEqual((await contentsOf(repository)).get(id)?.get("/a"), content);
    assert.deepEqual(await namesOf(storage, "condemned/"), []);
  });

  test("lets no writer use condemned packs, nor merge segments", async () => {
    const { repository, storage } = await newRepository();
    const entries = [file("a", randomBytes(9000))];
    await forgetCopies(repository, [await writeCopy(repository, entries, SMALL_PACKS)]);
    const waiting = await WriteSession.begin(repository, { compressionLevel: 0 });
    await clean(repository);
    const before = await namesOf(storage, "packs/");
    const next = await writeCopy(repository, entries, { ...SMALL_PACKS, segmentsMax: 0 });
    assert.equal((await namesOf(storage, "packs/")).length, before.length + 2);
    assert.equal((await namesOf(storage, "index/")).length, 2);
    await waiting.abandon();
    await clean(repository);
    assert.deepEqual([...(await contentsOf(repository)).keys()], [next]);
  });

  test("gives up while another cleaner is there", async () => {
    const { repository } = await newRepository();
    const { ports, keys } = repository;
    const other = await Session.start(randomBytes(16), "cleaner", ports, keys);
    await assert.rejects(clean(repository), refusedWith("ERR_CLEANER_ACTIVE"));
    await other.end();
    await clean(repository);
  });
});

suite("sessions that are lost", () => {
  const DAY_MS = 86_400_000;

  /** A repository whose storage and machines live at a time of their own. */
  async function repositoryAt(): Promise<{
    readonly repository: Repository;
    readonly storage: MemoryStorage;
    readonly skip: (ms: number) => void;
  }> {
    let nowMs = Date.UTC(2026, 0, 1);
    const clock = { now: () => nowMs, monotonic: () => 0, sleep: async () => undefined };
    const storage = new MemoryStorage({ clock });
    const { repository } = await newRepository(GCM_HIGH, storage);
    return {
      repository: { ...repository, ports: { ...repository.ports, clock } },
      storage,
      skip: (ms) => {
        nowMs += ms;
      },
    };
  }

  test("are fenced by a cleaner, and cannot publish when they come back", async () => {
    const { repository, storage, skip } = await repositoryAt();
    const id = await writeCopy(repository, [file("a", randomBytes(9000))], SMALL_PACKS);
    await forgetCopies(repository, [id]);
    const { ports, keys } = repository;
    const sleeper = await Session.start(randomBytes(16), "writer", ports, keys);
    assert.equal((await clean(repository)).pendingReason, "sessions");
    skip(1.1 * DAY_MS);
    assert.equal((await clean(repository)).packsDeleted, 2);
    await assert.rejects(sleeper.confirm(), refusedWith("ERR_SESSION_LOST"));
    assert.match((await namesOf(storage, "sessions/")).join(), /\.999999$/);
    const condemned = await listCondemned(storage, keys.repository, keys.tableKey);
    assert.equal(condemned.length, 1, "what was deleted stays condemned as long as the fence");
    skip(31 * DAY_MS);
    await clean(repository);
    assert.deepEqual(await namesOf(storage, "sessions/"), []);
    assert.deepEqual(await namesOf(storage, "condemned/"), []);
  });

  test("cannot bring back index entries of packs that were deleted", async () => {
    const { repository, storage, skip } = await repositoryAt();
    const content = randomBytes(9000);
    const id = await writeCopy(repository, [file("a", content)], SMALL_PACKS);
    const { ports, keys } = repository;
    const [name] = await namesOf(storage, "index/");
    assert(name !== undefined);
    const segment = await storage.get(name);
    await Session.start(randomBytes(16), "writer", ports, keys);
    await forgetCopies(repository, [id]);
    skip(1.1 * DAY_MS);
    await clean(repository);
    // What a sleeper puts that wakes up in the middle of it.
    await storage.put(name, segment);
    const next = await writeCopy(repository, [file("a", content)], SMALL_PACKS);
    assert.deepEqual((await contentsOf(repository)).get(next)?.get("/a"), content);
  });

  test("are judged by the storage's clock, not by the machine's own", async () => {
    const { repository, storage } = await repositoryAt();
    const { ports, keys } = repository;
    const past = { ...ports, clock: { ...ports.clock, now: () => Date.UTC(1971, 0, 1) } };
    await Session.start(randomBytes(16), "writer", past, keys);
    const own = await Session.start(randomBytes(16), "cleaner", ports, keys);
    assert.deepEqual(
      (await listSessions(ports, keys, own.id)).map(({ state }) => state),
      ["alive"],
    );
    assert.equal((await namesOf(storage, "sessions/")).length, 2);
  });

  test("are still there when a fence was begun only", async () => {
    const { repository, storage, skip } = await repositoryAt();
    const { ports, keys } = repository;
    const sleeper = await Session.start(randomBytes(16), "writer", ports, keys);
    const [first] = await namesOf(storage, "sessions/");
    assert(first !== undefined);
    skip(1.1 * DAY_MS);
    await storage.put(first.replace(".000001", ".999999"), await storage.get(first));
    const [seen] = await listSessions(ports, keys);
    assert.equal(seen?.state, "lost");
    await closeSession(storage, seen);
    await assert.rejects(sleeper.confirm(), refusedWith("ERR_SESSION_LOST"));
    assert.equal((await listSessions(ports, keys))[0]?.state, "fenced");
  });

  test("are not made again by a beat", async () => {
    const { repository, storage, skip } = await repositoryAt();
    const { ports, keys } = repository;
    const session = await Session.start(randomBytes(16), "writer", ports, keys);
    skip(DAY_MS / 72);
    await session.keepAlive();
    const names = await namesOf(storage, "sessions/");
    assert.deepEqual(
      names.map((name) => name.slice(-6)),
      ["000001", "000002"],
    );
    await storage.delete(names[0] ?? "");
    skip(DAY_MS / 72);
    await assert.rejects(session.keepAlive(), refusedWith("ERR_SESSION_LOST"));
  });
});
