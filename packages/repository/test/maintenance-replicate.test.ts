/** Replicas: whole, resumable, never of another repository, and safe from a cleaner in the target. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { suite, test } from "node:test";
import { systemRandomness } from "@holdfast/kernel";
import { FaultStorage, MemoryStorage, type Storage } from "@holdfast/storage";
import { addSlot } from "../src/keys/slots.ts";
import { clean } from "../src/maintenance/clean.ts";
import { forgetCopies } from "../src/maintenance/forget.ts";
import { replicate } from "../src/maintenance/replicate.ts";
import {
  openRepository,
  readConfig,
  recoveryPublicKey,
  type Repository,
  rootSecretOf,
} from "../src/repository.ts";
import { WriteSession } from "../src/sessions/write-session.ts";
import { withCalls } from "./changed-storage.ts";
import {
  CBC_LOW,
  FIXTURE_KEY,
  type FixtureRepository,
  fixturePorts,
  GCM_HIGH,
  newRepository,
  writeCopy,
} from "./fixture-writer.ts";
import {
  contentsOf,
  file,
  namesOf,
  packOfKind,
  refusedWith,
  replaceObject,
  SMALL_PACKS,
} from "./maintenance-parts.ts";

/** The replica, opened by the same key as the source. */
function openReplica(target: Storage): Promise<Repository> {
  return openRepository(fixturePorts(target), FIXTURE_KEY, ["write", "maintain", "read"]);
}

/** A repository with three copies, and the maintain capability of it. */
async function withCopies(): Promise<{
  readonly fixture: FixtureRepository;
  readonly maintainer: Repository;
  readonly ids: readonly string[];
}> {
  const fixture = await newRepository();
  const common = file("common", randomBytes(20_000));
  const ids: string[] = [];
  for (let index = 0; index < 3; index += 1) {
    const own = file("own", randomBytes(20_000));
    ids.push(await writeCopy(fixture.repository, [common, own], SMALL_PACKS));
  }
  return { fixture, maintainer: await fixture.open(["maintain"]), ids };
}

suite("replicating", () => {
  test("refuses the repository itself as its target, and leaves nothing behind", async () => {
    const { fixture, maintainer } = await withCopies();
    const before = await namesOf(fixture.storage, "");
    await assert.rejects(replicate(maintainer, fixture.storage), refusedWith("ERR_SAME_PLACE"));
    assert.deepEqual(await namesOf(fixture.storage, ""), before);
  });

  for (const cipherSuite of [GCM_HIGH, CBC_LOW]) {
    test(`makes a replica that the same key opens, ${cipherSuite.name}`, async () => {
      const fixture = await newRepository(cipherSuite);
      const { repository, storage } = fixture;
      await writeCopy(repository, [file("a", randomBytes(20_000))], SMALL_PACKS);
      const target = new MemoryStorage();
      const { copied, bytesCopied } = await replicate(await fixture.open(["maintain"]), target);
      assert.equal(copied.length, 1);
      assert(bytesCopied > 20_000);
      assert.deepEqual(await contentsOf(await openReplica(target)), await contentsOf(repository));
      for (const name of [...(await namesOf(storage, "packs/")), ...(await namesOf(storage, "copies/"))]) {
        assert.deepEqual(await target.get(name), await storage.get(name));
      }
      assert.deepEqual(await namesOf(target, "sessions/"), []);
    });
  }

  test("copies only what the chosen copies need, then only what is new", async () => {
    const { fixture, maintainer, ids } = await withCopies();
    const target = new MemoryStorage();
    const [first] = ids;
    assert(first !== undefined);
    const one = await replicate(maintainer, target, { copies: [first] });
    assert.deepEqual([one.copied, one.packsCopied], [[first], 2]);
    const all = await replicate(maintainer, target);
    assert.deepEqual([all.copied, all.present, all.packsCopied], [ids.slice(1), [first], 4]);
    const none = await replicate(maintainer, target);
    assert.deepEqual([none.copied, none.packsCopied], [[], 0]);
    assert.deepEqual(await contentsOf(await openReplica(target)), await contentsOf(fixture.repository));
  });

  test("goes on where it was cut, without copying again", async () => {
    const { maintainer } = await withCopies();
    const target = new MemoryStorage();
    await using dying = new FaultStorage(target, {
      plan: ({ kind, name }) =>
        kind === "put" && name.startsWith("index/") ? { kind: "crash", moment: "before" } : undefined,
    });
    await assert.rejects(replicate(maintainer, dying));
    assert.equal((await namesOf(target, "packs/")).length, 6);
    const { copied, packsCopied } = await replicate(maintainer, target);
    assert.deepEqual([copied.length, packsCopied], [3, 0]);
    assert.equal((await contentsOf(await openReplica(target))).size, 3);
  });

  test("refuses a target that is another repository", async () => {
    const { maintainer } = await withCopies();
    const { storage: other } = await newRepository();
    const before = await namesOf(other, "");
    await assert.rejects(replicate(maintainer, other), refusedWith("ERR_REPOSITORY_MISMATCH"));
    assert.deepEqual(await namesOf(other, ""), before);
  });

  test("refuses a copy that is not there", async () => {
    const { maintainer } = await withCopies();
    const copies = ["0".repeat(64)];
    await assert.rejects(
      replicate(maintainer, new MemoryStorage(), { copies }),
      refusedWith("ERR_COPY_NOT_FOUND"),
    );
  });

  test("deletes nothing that only the target has", async () => {
    const { maintainer, ids } = await withCopies();
    const target = new MemoryStorage();
    await replicate(maintainer, target);
    const before = await namesOf(target, "copies/");
    await forgetCopies(maintainer, ids.slice(0, 2));
    await clean(maintainer);
    await replicate(maintainer, target);
    assert.deepEqual(await namesOf(target, "copies/"), before);
    assert.equal((await contentsOf(await openReplica(target))).size, 3);
  });

  test("takes chunks that a cleaner in the target has moved as they are", async () => {
    const { fixture, maintainer, ids } = await withCopies();
    const target = new MemoryStorage();
    await replicate(maintainer, target);
    const replica = await openReplica(target);
    await forgetCopies(replica, ids.slice(0, 2));
    await clean(replica, { repackBelow: 0.9 });
    const packs = await namesOf(target, "packs/");
    await writeCopy(fixture.repository, [file("new", randomBytes(9000))], SMALL_PACKS);
    const { copied } = await replicate(maintainer, target);
    assert.equal(copied.length, 3);
    assert((await namesOf(target, "packs/")).length > packs.length);
    assert.deepEqual(await contentsOf(replica), await contentsOf(fixture.repository));
  });

  test("does not rely on packs that the target is about to delete", async () => {
    const { maintainer, ids } = await withCopies();
    const target = new MemoryStorage();
    await replicate(maintainer, target);
    const replica = await openReplica(target);
    await forgetCopies(replica, ids);
    const writer = await WriteSession.begin(replica, { compressionLevel: 0 });
    assert.equal((await clean(replica)).pendingReason, "sessions");
    await assert.rejects(replicate(maintainer, target), refusedWith("ERR_CLEAN_FIRST"));
    assert.deepEqual(await namesOf(target, "copies/"), []);
    await writer.abandon();
    await clean(replica);
    assert.equal((await replicate(maintainer, target)).copied.length, 3);
    assert.equal((await contentsOf(replica)).size, 3);
  });

  test("leaves out copies that are damaged in the source, and brings the others", async () => {
    const { fixture, maintainer, ids } = await withCopies();
    const { storage, repository } = fixture;
    const healthy = await writeCopy(repository, [file("alone", randomBytes(9000))], SMALL_PACKS);
    const damagedPack = await packOfKind(repository, 1);
    const bytes = await storage.get(damagedPack);
    bytes[20_000] = (bytes[20_000] ?? 0) ^ 1;
    await replaceObject(storage, damagedPack, bytes);
    const target = new MemoryStorage();
    const { copied, damaged } = await replicate(maintainer, target);
    // The first pack holds what the three copies have in common.
    assert.deepEqual([copied, damaged], [[healthy], ids]);
    assert.deepEqual([...(await contentsOf(await openReplica(target))).keys()], [healthy]);
  });

  for (const [what, change] of [
    ["cut off", (bytes: Buffer) => bytes.subarray(0, -100)],
    ["empty", () => Buffer.alloc(0)],
    ["longer than it was", (bytes: Buffer) => Buffer.concat([bytes, Buffer.alloc(100)])],
  ] as const) {
    test(`refuses a target where a pack that it needs is ${what}, and publishes no copy there`, async () => {
      const { fixture, maintainer } = await withCopies();
      const pack = await packOfKind(fixture.repository, 1);
      const target = new MemoryStorage();
      // What an upload leaves that was cut, on a storage that lies about having stored all of it.
      await target.put(pack, change(await fixture.storage.get(pack)));
      await assert.rejects(replicate(maintainer, target), (error) => {
        assert(refusedWith("ERR_DAMAGED")(error) && error instanceof Error && error.message.includes(pack));
        return true;
      });
      assert.deepEqual(await namesOf(target, "copies/"), []);
      await target.delete(pack);
      assert.equal((await replicate(maintainer, target)).copied.length, 3);
      assert.equal((await contentsOf(await openReplica(target))).size, 3);
    });
  }

  test("brings no manifest or key slot that rots while it is read", async () => {
    for (const prefix of ["copies/", "slots/"]) {
      const { fixture, maintainer } = await withCopies();
      const { storage } = fixture;
      const target = new MemoryStorage();
      // The list of copies was good; what is copied is read again.
      const rotten = withCalls(storage, {
        get: async (name, range, signal) => {
          const bytes = await storage.get(name, range, signal);
          const isCopied = prefix === "slots/" || (await namesOf(target, "index/")).length > 0;
          if (name.startsWith(prefix) && isCopied) bytes[100] = (bytes[100] ?? 0) ^ 1;
          return bytes;
        },
      });
      const source = { ...maintainer, ports: { ...maintainer.ports, storage: rotten } };
      await assert.rejects(replicate(source, target), refusedWith("ERR_DAMAGED"));
      assert.deepEqual(await namesOf(target, prefix), []);
    }
  });

  test("takes back the copy that it published when it finds out that it was given up", async () => {
    const { maintainer } = await withCopies();
    const target = new MemoryStorage();
    const lossy = withCalls(target, {
      put: async (name, bytes, options) => {
        const stored = await target.put(name, bytes, options);
        if (name.startsWith("copies/"))
          for (const session of await namesOf(target, "sessions/")) await target.delete(session);
        return stored;
      },
    });
    await assert.rejects(replicate(maintainer, lossy), refusedWith("ERR_SESSION_LOST"));
    assert.deepEqual(await namesOf(target, "copies/"), []);
  });

  test("brings key slots that were added, and names those that the source has not any more", async () => {
    const { fixture, maintainer } = await withCopies();
    const { storage } = fixture;
    const target = new MemoryStorage();
    await replicate(maintainer, target);
    const { config } = await readConfig(storage);
    const seed = randomBytes(32);
    const added = await addSlot(storage, {
      repository: config.repository,
      rootSecret: await rootSecretOf(storage, config, FIXTURE_KEY),
      tableKey: maintainer.keys.tableKey,
      createdMs: Date.now(),
      target: { kind: "recovery", publicKey: recoveryPublicKey(seed) },
      label: "second",
      randomness: systemRandomness,
    });
    assert.deepEqual((await replicate(maintainer, target)).slotsOnlyInTarget, []);
    await openRepository(fixturePorts(target), { kind: "recovery", seed }, ["read"]);
    await storage.delete(`slots/${added}`);
    assert.deepEqual((await replicate(maintainer, target)).slotsOnlyInTarget, [`slots/${added}`]);
  });

  test("stops when it is cancelled, and leaves no session behind", async () => {
    const { maintainer } = await withCopies();
    const target = new MemoryStorage();
    const signal = AbortSignal.abort();
    await assert.rejects(replicate(maintainer, target, { signal }), refusedWith("ERR_CANCELLED"));
    assert.deepEqual(await namesOf(target, "sessions/"), []);
  });
});
