/** Cleaning while others are at work, and what becomes of sessions that are lost. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { suite, test } from "node:test";
import { AppError } from "@holdfast/kernel";
import { MemoryStorage } from "@holdfast/storage";
import { clean } from "../src/maintenance/clean.ts";
import { forgetCopies } from "../src/maintenance/forget.ts";
import type { Repository } from "../src/repository.ts";
import { listCondemned } from "../src/sessions/condemned.ts";
import { closeSession, listSessions, Session } from "../src/sessions/session.ts";
import { WriteSession } from "../src/sessions/write-session.ts";
import { GCM_HIGH, newRepository, writeCopy } from "./fixture-writer.ts";
import { contentsOf, file, namesOf, refusedWith, SMALL_PACKS } from "./maintenance-parts.ts";
import { withCalls } from "./changed-storage.ts";

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

  test("waits for a writer that began just before the condemnation, after the first list of sessions", async () => {
    const { repository, storage } = await newRepository();
    const id = await writeCopy(repository, [file("a", randomBytes(9000))], SMALL_PACKS);
    await forgetCopies(repository, [id]);
    const writers: WriteSession[] = [];
    // What it has not read of, it may use: only a list that is made afterwards shows that it is there.
    const beforeCondemning = withCalls(storage, {
      put: async (name, bytes, options) => {
        if (name.startsWith("condemned/") && writers.length === 0)
          writers.push(await WriteSession.begin(repository, { compressionLevel: 0 }));
        return storage.put(name, bytes, options);
      },
    });
    const cleaner = { ...repository, ports: { ...repository.ports, storage: beforeCondemning } };
    const { packsDeleted, pendingReason } = await clean(cleaner);
    assert.deepEqual([packsDeleted, pendingReason], [0, "sessions"]);
    assert.equal(writers.length, 1);
    for (const writer of writers) await writer.abandon();
    assert.equal((await clean(repository)).packsDeleted, 2);
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

suite("a session that could not write its index", () => {
  for (const [what, failures] of [
    ["once, by the index that it writes when it is given up", 1],
    ["at all, by what it leaves of itself", Number.POSITIVE_INFINITY],
  ] as const) {
    test(`${what}, lets the next one use its packs`, async () => {
      const { repository, storage } = await newRepository();
      const content = randomBytes(20_000);
      let failed = 0;
      const full = withCalls(storage, {
        put: async (name, bytes, options) => {
          if (name.startsWith("index/") && failed < failures) {
            failed += 1;
            throw new AppError("ERR_STORAGE_FULL", "there is no space left");
          }
          return storage.put(name, bytes, options);
        },
      });
      const cut = { ...repository, ports: { ...repository.ports, storage: full } };
      await assert.rejects(
        writeCopy(cut, [file("a", content)], SMALL_PACKS),
        refusedWith("ERR_STORAGE_FULL"),
      );
      const left = await namesOf(storage, "packs/");
      assert.equal((await namesOf(storage, "index/")).length, failures === 1 ? 1 : 0);
      const id = await writeCopy(repository, [file("a", content)], SMALL_PACKS);
      assert.deepEqual(await namesOf(storage, "packs/"), left, "everything was there");
      assert.deepEqual((await contentsOf(repository)).get(id)?.get("/a"), content);
    });
  }
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

  test("are not waited for with packs that are older than they, while those they may have written stay", async () => {
    const { repository, storage, skip } = await repositoryAt();
    const { ports, keys } = repository;
    const [older, younger] = ["aa", "bb"].map((start) => `packs/${start}/${start}${"0".repeat(62)}`);
    assert(older !== undefined && younger !== undefined);
    await storage.put(older, randomBytes(4096));
    skip(1000);
    const writer = await Session.start(randomBytes(16), "writer", ports, keys);
    skip(1000);
    await storage.put(younger, randomBytes(4096));
    await clean(repository);
    const condemned = await listCondemned(storage, keys.repository, keys.tableKey);
    assert.deepEqual(
      condemned.flatMap(({ packs }) => packs),
      [older.slice(-64)],
    );
    await writer.end();
    await clean(repository);
    assert.deepEqual(await namesOf(storage, "packs/"), []);
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
    const future = { ...ports, clock: { ...ports.clock, now: () => Date.UTC(2031, 0, 1) } };
    const seen = await listSessions(future, keys, own.id);
    assert.deepEqual(
      seen.map(({ state }) => state),
      ["alive"],
    );
  });

  test("are so in two lists, one after the other: a list made during a beat misses the newest object", async () => {
    const { repository, skip } = await repositoryAt();
    const { ports, keys } = repository;
    await Session.start(randomBytes(16), "writer", ports, keys);
    let lists = 0;
    const storage = withCalls(ports.storage, {
      async *list(prefix, signal) {
        lists += 1;
        for await (const object of ports.storage.list(prefix, signal))
          yield lists === 1 ? object : { ...object, modifiedMs: object.modifiedMs + 1.1 * DAY_MS };
      },
    });
    skip(1.1 * DAY_MS);
    const [seen] = await listSessions({ ...ports, storage }, keys);
    assert.deepEqual([seen?.state, lists], ["alive", 2]);
    assert.equal((await listSessions(ports, keys))[0]?.state, "lost");
  });

  test("give up by themselves long before that, by either clock", async () => {
    const { repository } = await repositoryAt();
    const { keys } = repository;
    for (const clockName of ["now", "monotonic"] as const) {
      let sleptMs = 0;
      const slept = (): number => repository.ports.clock[clockName]() + sleptMs;
      const clock = { ...repository.ports.clock, [clockName]: slept };
      const session = await Session.start(randomBytes(16), "writer", { ...repository.ports, clock }, keys);
      sleptMs = DAY_MS / 2;
      await session.prove();
      sleptMs += 1;
      await assert.rejects(session.prove(), refusedWith("ERR_SESSION_LOST"));
      await assert.rejects(session.keepAlive(), refusedWith("ERR_SESSION_LOST"));
    }
  });

  test("take back the copy that they published when they find out afterwards", async () => {
    const { repository } = await repositoryAt();
    const inner = repository.ports.storage;
    const storage = withCalls(inner, {
      put: async (name, bytes, options) => {
        const stored = await inner.put(name, bytes, options);
        if (name.startsWith("copies/"))
          for (const session of await namesOf(inner, "sessions/")) await inner.delete(session);
        return stored;
      },
    });
    const sleeper = { ...repository, ports: { ...repository.ports, storage } };
    await assert.rejects(
      writeCopy(sleeper, [file("a", randomBytes(9000))], SMALL_PACKS),
      refusedWith("ERR_SESSION_LOST"),
    );
    assert.deepEqual(await namesOf(inner, "copies/"), []);
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
