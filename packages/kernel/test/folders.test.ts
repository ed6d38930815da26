import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { promisify } from "node:util";
import { makeFolder, makeFolderSync } from "../src/index.ts";

const scratch = mkdtempSync(join(tmpdir(), "holdfast-folders-"));
after(() => {
  rmSync(scratch, { recursive: true });
});

/** Both, as one that is awaited. */
const WAYS = {
  makeFolder: (path: string): Promise<unknown> => makeFolder(path, 0o700),
  makeFolderSync: async (path: string): Promise<unknown> => {
    await Promise.resolve();
    makeFolderSync(Buffer.from(path), 0o700);
    return undefined;
  },
};

for (const [name, make] of Object.entries(WAYS)) {
  suite(name, () => {
    test("makes a folder with all that is missing above it, for its user alone", async () => {
      const top = join(scratch, name, "one");
      await make(join(top, "twö", "three"));
      for (const path of [top, join(top, "twö"), join(top, "twö", "three")])
        assert.equal(statSync(path).mode & 0o777, 0o700);
    });

    test("leaves what is there as it is, also behind a link", async () => {
      const folder = join(scratch, name, "there");
      mkdirSync(folder, { recursive: true });
      chmodSync(folder, 0o755);
      symlinkSync(folder, join(scratch, name, "link"));
      await make(folder);
      await make(join(scratch, name, "link"));
      await make(join(scratch, name, "link", "below"));
      assert.equal(statSync(folder).mode & 0o777, 0o755);
      assert.ok(existsSync(join(folder, "below")));
    });

    test("refuses a place that is a file, or below one", async () => {
      const file = join(scratch, `${name}-file`);
      writeFileSync(file, "");
      await assert.rejects(make(file), { code: "EEXIST" });
      await assert.rejects(make(join(file, "below", "deeper")), { code: "ENOTDIR" });
    });
  });
}

test("makeFolder says what it had to make", async () => {
  const top = join(scratch, "said");
  assert.equal(await makeFolder(join(top, "a", "b")), top);
  assert.equal(await makeFolder(join(top, "a", "b", "c")), join(top, "a", "b", "c"));
  assert.equal(await makeFolder(join(top, "a")), undefined);
});

test("calls at the same time make the same folder", async () => {
  const path = join(scratch, "together", "a", "b", "c", "d");
  await Promise.all(Array.from({ length: 20 }, () => makeFolder(path)));
  assert.ok(existsSync(path));
});

// In a process of its own, which can be ended: what loops there does so in a thread.
test("comes back from a folder that takes nothing", { skip: process.platform !== "linux" }, async () => {
  const module = JSON.stringify(new URL("../src/folders.ts", import.meta.url).href);
  const program = `
    const { makeFolder, makeFolderSync } = await import(${module});
    const code = async (made) => await made().then(() => "made", ({ code }) => code);
    console.log(await code(() => makeFolder("/proc/none/below")),
      await code(async () => makeFolderSync("/proc/none/below")), await code(() => makeFolder("/proc/none")));`;
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "--eval", program], {
    timeout: 60_000,
    killSignal: "SIGKILL",
  });
  assert.equal(stdout.trim(), "ENOENT ENOENT ENOENT");
});
