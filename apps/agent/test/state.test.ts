/** The state folder: nobody else reads it, one agent uses it, and a kill leaves it whole. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { suite, test, type TestContext } from "node:test";
import { type ErrorCode, isAppError, newId } from "@holdfast/kernel";
import { newDeviceKey } from "../src/identity/certificate-request.ts";
import { type Identity, readIdentity, writeIdentity } from "../src/identity/identity.ts";
import { currentPlatform, defaultStateDir, platformOf } from "../src/platform/platform.ts";
import { DARWIN } from "../src/platform/darwin.ts";
import { LINUX } from "../src/platform/linux.ts";
import { WIN32 } from "../src/platform/win32.ts";
import { isLocked, lockFolder } from "../src/state/folder-lock.ts";
import { openStateFolder, type StateFolder } from "../src/state/state-folder.ts";

const LOCK = new URL("../src/state/folder-lock.ts", import.meta.url).href;

const hasCode =
  (code: ErrorCode) =>
  (error: unknown): boolean =>
    isAppError(error, code);

function newFolder(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-state-"));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, "state");
}

const open = (path: string, create = true): Promise<StateFolder> =>
  openStateFolder(path, { create, hasModes: true });

function newIdentity(): Identity {
  const privateKey = newDeviceKey();
  const texts = { authority: "authority", certificate: "certificate", privateKey };
  return { service: "https://backup.example:8443", proxy: undefined, device: newId("dev"), ...texts };
}

suite("The state folder", () => {
  test("is made for this user only, whatever the umask", async (context) => {
    const path = newFolder(context);
    const before = process.umask(0);
    context.after(() => process.umask(before));
    const folder = await open(path);
    await folder.write("file", Buffer.from("secret"));
    assert.equal(statSync(path).mode & 0o777, 0o700);
    assert.equal(statSync(join(path, "file")).mode & 0o777, 0o600);
  });

  test("is refused when others can look into it, with the command that mends it", async (context) => {
    const path = newFolder(context);
    await open(path);
    for (const mode of [0o750, 0o705, 0o720, 0o701]) {
      chmodSync(path, mode);
      await assert.rejects(
        open(path),
        (error) => isAppError(error, "ERR_AGENT_STATE") && error.remedy?.includes("chmod") === true,
      );
    }
    chmodSync(path, 0o700);
    await open(path);
  });

  test("is refused when it is missing, a file, or a link", async (context) => {
    const path = newFolder(context);
    await assert.rejects(open(path, false), hasCode("ERR_AGENT_STATE"));
    mkdirSync(`${path}-other`, { mode: 0o700 });
    symlinkSync(`${path}-other`, path);
    await assert.rejects(open(path), hasCode("ERR_AGENT_STATE"));
  });

  test("has no use for a file that others can read, or that is a link", async (context) => {
    const path = newFolder(context);
    const folder = await open(path);
    await folder.write("file", Buffer.from("content"));
    chmodSync(join(path, "file"), 0o640);
    await assert.rejects(folder.read("file"), hasCode("ERR_AGENT_STATE"));
    symlinkSync("/etc/hostname", join(path, "link"));
    await assert.rejects(folder.read("link"), hasCode("ERR_AGENT_STATE"));
    assert.equal(await folder.read("missing"), undefined);
  });

  test("is cleared of what a killed agent was writing", async (context) => {
    const path = newFolder(context);
    await open(path);
    writeFileSync(join(path, ".0b5a1f0e-aaaa-bbbb-cccc-0123456789ab.new"), "half");
    writeFileSync(join(path, ".mine.new"), "of somebody else");
    await open(path);
    assert.deepEqual(readdirSync(path), [".mine.new"]);
  });

  test("is locked as long as a process lives, and not longer", async (context) => {
    const path = newFolder(context);
    await open(path);
    const script = `import(${JSON.stringify(LOCK)}).then(({ lockFolder }) => { globalThis.held = lockFolder(${JSON.stringify(path)}); console.log("held"); setInterval(() => 0, 1000); });`;
    const child = spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "inherit"] });
    context.after(() => child.kill("SIGKILL"));
    await once(child.stdout, "data");
    assert.throws(() => lockFolder(path), hasCode("ERR_AGENT_RUNNING"));
    assert.ok(isLocked(path));
    child.kill("SIGKILL");
    await once(child, "exit");
    assert.ok(!isLocked(path));
    using _ = lockFolder(path);
    assert.ok(isLocked(path));
  });
});

suite("The identity", () => {
  test("comes into force with its key, and the old key goes", async (context) => {
    const folder = await open(newFolder(context));
    await assert.rejects(readIdentity(folder), hasCode("ERR_AGENT_NOT_ENROLLED"));
    const [one, other] = [newIdentity(), newIdentity()];
    await writeIdentity(folder, one);
    assert.deepEqual(await readIdentity(folder), one);
    await writeIdentity(folder, other);
    assert.deepEqual(await readIdentity(folder), other);
    assert.equal(readdirSync(folder.path).filter((name) => name.endsWith(".pem")).length, 1);
  });

  test("is the old one or the new one after a kill at each write", async (context) => {
    const [one, other] = [newIdentity(), newIdentity()];
    for (let survived = 0; survived <= 3; survived += 1) {
      const folder = await open(`${newFolder(context)}-${String(survived)}`);
      await writeIdentity(folder, one);
      let left = survived;
      const killed = async (act: () => Promise<void>): Promise<void> => {
        left -= 1;
        if (left < 0) throw new Error("killed");
        await act();
      };
      const mortal: StateFolder = {
        ...folder,
        write: (name, bytes) => killed(() => folder.write(name, bytes)),
        remove: (name) => killed(() => folder.remove(name)),
      };
      await writeIdentity(mortal, other).catch(() => undefined);
      assert.deepEqual(await readIdentity(folder), survived < 2 ? one : other);
    }
  });

  test("says so when it is damaged", async (context) => {
    const folder = await open(newFolder(context));
    await writeIdentity(folder, newIdentity());
    const path = join(folder.path, "identity.json");
    const text = readFileSync(path, "utf8");
    for (const damaged of [
      "{",
      "{}",
      text.replace("https:", "http:"),
      text.replace(/key-[^"]+/u, "../../etc/shadow"),
    ]) {
      await folder.write("identity.json", Buffer.from(damaged));
      await assert.rejects(readIdentity(folder), hasCode("ERR_AGENT_STATE"));
    }
  });
});

suite("A platform", () => {
  const account = { isRoot: false, home: "/home/ada", environment: {} };

  test("announces what it supports", () => {
    assert.deepEqual(LINUX.methods, ["gcm", "cbc"]);
    assert.deepEqual(WIN32.methods, ["gcm", "cbc"]);
    assert.deepEqual(DARWIN.methods, ["cbc"]);
  });

  test("has a place for the state", () => {
    assert.equal(LINUX.stateDir({ ...account, isRoot: true }), "/var/lib/holdfast/agent");
    assert.equal(LINUX.stateDir(account), "/home/ada/.local/state/holdfast/agent");
    assert.equal(LINUX.stateDir({ ...account, environment: { XDG_STATE_HOME: "/x" } }), "/x/holdfast/agent");
    assert.equal(DARWIN.stateDir(account), "/home/ada/Library/Application Support/Holdfast/agent");
    const environment = { ProgramData: String.raw`C:\ProgramData` };
    assert.equal(WIN32.stateDir({ ...account, environment }), String.raw`C:\ProgramData\Holdfast\agent`);
    assert.equal(platformOf(DARWIN).description.system, "darwin");
    assert.ok(defaultStateDir(currentPlatform()).length > 0);
  });
});
