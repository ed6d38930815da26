import assert from "node:assert/strict";
import { chmod, chown, link, mkdir, readFile, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite, test } from "node:test";
import { isAppError, systemRandomness } from "@holdfast/kernel";
import { createUnlockFile, readUnlockFile, type UnlockFilePlace } from "../src/secrets/unlock-file.ts";
import { newPlace } from "./vault-fixture.ts";

async function withPlace(work: (place: UnlockFilePlace, folder: string) => Promise<void>): Promise<void> {
  const { folder, place } = await newPlace();
  try {
    await work(place, folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Refused with this reason, and the key's digits do not stand in the error. */
async function refused(work: Promise<unknown>, reason: RegExp, digits = "never"): Promise<void> {
  await assert.rejects(work, (error) => {
    assert(isAppError(error, "ERR_UNLOCK_FILE"), String(error));
    assert.match(error.message, reason);
    assert(!`${error.message} ${String(error.remedy)}`.includes(digits));
    return true;
  });
}

suite("unlock file", { skip: process.platform === "win32" }, () => {
  test("is made for its owner alone, and read again", () =>
    withPlace(async (place) => {
      using made = await createUnlockFile(place, systemRandomness);
      assert.equal((await stat(place.path)).mode & 0o777, 0o600);
      using read = await readUnlockFile(place);
      assert.deepEqual(read.bytes, made.bytes);
      const text = await readFile(place.path, "ascii");
      assert.match(text, /^HOLDFAST UNLOCK FILE 1\n[0-9a-f]{64}\n[0-9a-f]{16}\n$/u);
      assert(text.includes(Buffer.from(made.bytes).toString("hex")));
    }));

  test("one that is there is taken, not overwritten", () =>
    withPlace(async (place) => {
      using made = await createUnlockFile(place, systemRandomness);
      using again = await createUnlockFile(place, systemRandomness);
      assert.deepEqual(again.bytes, made.bytes);
    }));

  for (const mode of [0o640, 0o604, 0o620, 0o602, 0o610, 0o601]) {
    test(`is refused with the mode ${mode.toString(8)}`, () =>
      withPlace(async (place) => {
        using made = await createUnlockFile(place, systemRandomness);
        await chmod(place.path, mode);
        await refused(readUnlockFile(place), /reached by others/u, Buffer.from(made.bytes).toString("hex"));
        await refused(createUnlockFile(place, systemRandomness), /reached by others/u);
      }));
  }

  test("is refused as a symbolic link", () =>
    withPlace(async (place) => {
      (await createUnlockFile(place, systemRandomness)).wipe();
      await rename(place.path, `${place.path}.real`);
      await symlink(`${place.path}.real`, place.path);
      await refused(readUnlockFile(place), /symbolic link/u);
      await refused(createUnlockFile(place, systemRandomness), /symbolic link/u);
    }));

  test("is refused in the data folder, also by a detour", () =>
    withPlace(async (place, folder) => {
      const { dataFolder } = place;
      await mkdir(join(dataFolder, "deep"), { recursive: true });
      await symlink(dataFolder, join(folder, "detour"));
      for (const path of [
        join(dataFolder, "unlock"),
        join(dataFolder, "deep", "unlock"),
        join(folder, "detour", "unlock"),
        join(folder, "detour", "deep", "unlock"),
        `${folder}/keys/../data/unlock`,
      ]) {
        await refused(createUnlockFile({ path, dataFolder }, systemRandomness), /data folder/u);
        await refused(readUnlockFile({ path, dataFolder }), /data folder/u);
      }
      // Beside it, with a name that begins alike.
      const beside = { path: join(folder, "data-unlock"), dataFolder };
      using made = await createUnlockFile(beside, systemRandomness);
      assert.equal(made.bytes.length, 32);
      const dots = { path: join(folder, "..data"), dataFolder: folder };
      await refused(createUnlockFile(dots, systemRandomness), /data folder/u);
    }));

  test("is refused when it belongs to somebody else", { skip: process.getuid?.() !== 0 }, () =>
    withPlace(async (place) => {
      (await createUnlockFile(place, systemRandomness)).wipe();
      await chown(place.path, 12_345, 0);
      await refused(readUnlockFile(place), /another user/u);
    }),
  );

  test("is refused when it is missing, a folder, cut, longer or changed", () =>
    withPlace(async (place) => {
      await refused(readUnlockFile(place), /is missing/u);
      (await createUnlockFile(place, systemRandomness)).wipe();
      const bytes = await readFile(place.path);
      for (const changed of [
        bytes.subarray(1),
        bytes.subarray(0, -1),
        Buffer.concat([bytes, Buffer.from("\n")]),
        Buffer.from(bytes.toString("ascii").toUpperCase()),
        Buffer.from(bytes.map((byte, at) => (at === 40 ? byte ^ 1 : byte))),
        Buffer.from(bytes.map((byte, at) => (at === 95 ? byte ^ 1 : byte))),
        Buffer.alloc(bytes.length),
        Buffer.alloc(0),
      ]) {
        await writeFile(place.path, changed);
        await refused(readUnlockFile(place), /no unlock file, or was changed/u);
      }
      await rm(place.path);
      await mkdir(place.path);
      await refused(readUnlockFile(place), /no regular file/u);
    }));

  test("a second name of it is the same file", () =>
    withPlace(async (place) => {
      using made = await createUnlockFile(place, systemRandomness);
      await link(place.path, `${place.path}.2`);
      using read = await readUnlockFile({ ...place, path: `${place.path}.2` });
      assert.deepEqual(read.bytes, made.bytes);
    }));
});
