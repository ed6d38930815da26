/** A writer killed at any moment of a put leaves whole objects or none, and the next writer is not hindered. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { watch } from "node:fs";
import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { type Storage, openLocalStorage } from "../src/index.ts";
import { scratchFolder } from "./scratch-folder.ts";

const SIZE = 8 * 1024 * 1024;
const ROUNDS = 12;

/** Puts objects, each filled with its number, until it is killed. */
const WRITER = `
  const { openLocalStorage } = await import(process.argv[1]);
  const storage = await openLocalStorage(process.argv[2]);
  for (let number = 0; number < 200; number += 1) {
    await storage.put("packs/" + process.argv[3] + "-" + number, new Uint8Array(${String(SIZE)}).fill(number));
  }
`;

function startWriter(path: string, prefix: string): ChildProcess {
  const entry = new URL("../src/index.ts", import.meta.url).href;
  const args = ["--input-type=module", "--eval", WRITER, entry, path, prefix];
  return spawn(process.execPath, args, { stdio: ["ignore", "ignore", "inherit"] });
}

/** Kills the writer at the `nth` change among its temporary files. */
async function killAtChange(path: string, prefix: string, nth: number): Promise<void> {
  let changes = 0;
  const watcher = watch(join(path, "tmp"));
  const writer = startWriter(path, prefix);
  watcher.on("change", () => {
    changes += 1;
    if (changes === nth) writer.kill("SIGKILL");
  });
  const [, signal]: unknown[] = await once(writer, "exit");
  watcher.close();
  assert.equal(signal, "SIGKILL", "the writer ended by itself, so nothing was tested");
}

async function checkWhole(storage: Storage): Promise<number> {
  const infos = await Array.fromAsync(storage.list(""));
  for (const { name, size } of infos) {
    assert.equal(size, SIZE, name);
    const expected = Buffer.alloc(SIZE, Number(name.split("-")[1]));
    assert((await storage.get(name)).equals(expected), name);
  }
  return infos.length;
}

test("killed writers leave only whole objects", { skip: process.platform === "win32" }, async () => {
  await using scratch = await scratchFolder();
  const temporary = join(scratch.path, "tmp");
  await mkdir(temporary);
  await using storage = await openLocalStorage(scratch.path);
  let objects = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    await killAtChange(scratch.path, String(round), round + 1);
    objects += await checkWhole(storage);
    for await (const { name } of storage.list("")) await storage.delete(name);
  }
  assert((await readdir(temporary)).length > 0, "no kill came in the middle of a put, so nothing was tested");
  assert(objects > 0, "every kill came before the first object was finished");
  const name = "packs/0-0";
  assert.equal(await storage.put(name, Buffer.alloc(SIZE)), "created");
  await storage.sweep(0);
  assert.deepEqual(await readdir(temporary), []);
  assert.equal(await checkWhole(storage), 1);
});
