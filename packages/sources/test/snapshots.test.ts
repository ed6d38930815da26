/**
 * Snapshots of volumes: with a stand-in for the system's tools, whose answers are written as the documentation shows them.
 * That a backup reads from a snapshot is tried for real, with a folder that stands for one.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import { join } from "node:path";
import { suite, test, type TestContext } from "node:test";
import type { BackupWarning } from "../src/files-backup/request.ts";
import { APFS_SNAPSHOTS } from "../src/snapshots/apfs-snapshots.ts";
import { freezeVolumes, removeLeftSnapshots } from "../src/snapshots/freeze-volumes.ts";
import type { SnapshotRecord, SnapshotSystem } from "../src/snapshots/snapshot-system.ts";
import { runTool, type ToolCall, type ToolResult } from "../src/tools/tool-runner.ts";
import { VSS_SNAPSHOTS } from "../src/snapshots/vss-snapshots.ts";
import { newBench } from "./backup-harness.ts";
import { scratchFolder } from "./restore-files-fixture.ts";

const ID = "{3F2504E0-4F89-11D3-9A0C-0305E82C3301}";
const DEVICE = String.raw`\\?\GLOBALROOT\Device\HarddiskVolumeShadowCopy7`;
const DATE = "2026-11-20-101500";

const said = (output: string): ToolResult => ({ code: 0, output, problem: "" });
const refused = (problem: string): ToolResult => ({ code: 1, output: "", problem });

/** Answers in turn; what was asked is kept. */
function newTools(answers: readonly ToolResult[]) {
  const asked: ToolCall[] = [];
  const noted: SnapshotRecord[] = [];
  let next = 0;
  return {
    asked,
    noted,
    run: (call: ToolCall): Promise<ToolResult> => {
      asked.push(call);
      next += 1;
      return Promise.resolve(answers[next - 1] ?? refused("nothing more was expected"));
    },
    newFolder: () => Promise.resolve("/state/mount-x"),
    created: (record: SnapshotRecord) => {
      noted.push(record);
      return Promise.resolve();
    },
  };
}

const MADE = said(`{"code":0,"id":"${ID}"}\r\n`);
const FOUND = said(`${JSON.stringify({ device: DEVICE })}\r\n`);

suite("snapshots of Windows", () => {
  test("are of drives, each once; shares have none", () => {
    assert.deepEqual(VSS_SNAPSHOTS.volumesOf(["C/Users", "C/Windows", "D", "UNC/s/t"]), {
      volumes: ["C:\\", "D:\\"],
      left: ["UNC/s/t"],
    });
  });

  test("are noted before anything else is asked; the drive is then read below the device", async () => {
    const tools = newTools([MADE, FOUND]);
    const readFrom = await VSS_SNAPSHOTS.create("C:\\", tools);
    assert.deepEqual(readFrom, [{ path: "C", source: `${DEVICE}\\` }]);
    assert.deepEqual(tools.noted, [{ id: ID }]);
    const [create, find] = tools.asked;
    assert.match(create?.program ?? "", /\\System32\\WindowsPowerShell\\v1\.0\\powershell\.exe$/u);
    assert.deepEqual(create?.variables, { HOLDFAST_VOLUME: "C:\\" });
    assert.deepEqual(find?.variables, { HOLDFAST_SHADOW: ID });
    // No value stands in a script, where it would be code.
    for (const { words } of tools.asked)
      assert(!words.some((word) => word.includes("C:\\") || word.includes(ID)));
  });

  const failures: readonly (readonly [string, readonly ToolResult[], RegExp, number])[] = [
    ["access is denied", [said('{"code":1,"id":""}')], /access is denied/u, 0],
    ["another one is being made", [said('{"code":9,"id":""}')], /try again/u, 0],
    ["of an unknown code", [said('{"code":77,"id":""}')], /code 77/u, 0],
    ["PowerShell fails", [refused("Invoke-CimMethod : Zugriff verweigert")], /Zugriff verweigert/u, 0],
    ["the answer is no JSON", [said("Welcome!")], /something else/u, 0],
    ["the id is none", [said('{"code":0,"id":"x\' OR 1=1"}')], /named no snapshot/u, 0],
    ["the device is none", [MADE, said('{"device":"C:\\\\Windows"}')], /where the snapshot is/u, 1],
    ["the device is not found", [MADE, said('{"device":""}')], /where the snapshot is/u, 1],
  ];
  for (const [title, answers, message, noted] of failures) {
    test(`fail when ${title}`, async () => {
      const tools = newTools(answers);
      const failure = { code: "ERR_SNAPSHOT", message, remedy: /administrator/u };
      await assert.rejects(VSS_SNAPSHOTS.create("C:\\", tools), failure);
      assert.equal(tools.noted.length, noted);
    });
  }

  test("are removed by their id, and by nothing that is none", async () => {
    const tools = newTools([said("")]);
    await VSS_SNAPSHOTS.remove({ id: ID }, tools.run);
    assert.deepEqual(tools.asked[0]?.variables, { HOLDFAST_SHADOW: ID });
    await VSS_SNAPSHOTS.remove({ id: "' OR 1=1" }, tools.run);
    assert.equal(tools.asked.length, 1);
    await assert.rejects(VSS_SNAPSHOTS.remove({ id: ID }, tools.run), {
      remedy: `Remove it as an administrator: vssadmin delete shadows /shadow=${ID}`,
    });
  });
});

suite("snapshots of macOS", () => {
  test("are of the data volume; the sealed one needs none, other disks have none", () => {
    const paths = ["Users/ann", "System/Library", "usr/bin", "Volumes/stick", "usr/local/x"];
    assert.deepEqual(APFS_SNAPSHOTS.volumesOf(paths), {
      volumes: ["/System/Volumes/Data"],
      left: ["Volumes/stick"],
    });
    assert.deepEqual(APFS_SNAPSHOTS.volumesOf(["usr/bin"]).volumes, []);
    assert.deepEqual(APFS_SNAPSHOTS.volumesOf([""]).volumes, ["/System/Volumes/Data"]);
  });

  test("are mounted for reading and noted at each step", async () => {
    const tools = newTools([said(`Created local snapshot with date: ${DATE}\n`), said("")]);
    const readFrom = await APFS_SNAPSHOTS.create("/System/Volumes/Data", tools);
    assert(readFrom.some(({ path, source }) => path === "Users" && source === "/state/mount-x/Users"));
    assert.deepEqual(tools.noted, [{ id: DATE }, { id: DATE, mountPoint: "/state/mount-x" }]);
    assert.deepEqual(tools.asked[1]?.words, [
      "-o",
      "ro,nobrowse",
      "-s",
      `com.apple.TimeMachine.${DATE}.local`,
      "/System/Volumes/Data",
      "/state/mount-x",
    ]);
  });

  test("fail when tmutil or mount_apfs does", async () => {
    const unmade = newTools([refused("tmutil: needs Full Disk Access")]);
    await assert.rejects(APFS_SNAPSHOTS.create("/System/Volumes/Data", unmade), /Full Disk Access/u);
    assert.deepEqual(unmade.noted, []);
    const unmounted = newTools([said(`Created local snapshot with date: ${DATE}`), refused("not permitted")]);
    await assert.rejects(APFS_SNAPSHOTS.create("/System/Volumes/Data", unmounted), /not permitted/u);
    assert.equal(unmounted.noted.length, 2);
  });

  test("count as removed when they are not listed any more", async () => {
    const record = { id: DATE, mountPoint: "/state/mount-x" };
    const gone = newTools([
      refused("not mounted"),
      refused("no such snapshot"),
      said("Snapshots for disk /:\n"),
    ]);
    await APFS_SNAPSHOTS.remove(record, gone.run);
    const listed = said(`Snapshots for disk /:\ncom.apple.TimeMachine.${DATE}.local\n`);
    const there = newTools([said(""), refused("busy"), listed]);
    await assert.rejects(APFS_SNAPSHOTS.remove(record, there.run), {
      code: "ERR_SNAPSHOT",
      message: /busy/u,
    });
  });
});

/** A system whose snapshots are names in a set. */
function newSystem(options: { readonly failing?: string; readonly stuck?: Set<string> } = {}) {
  const existing = new Set<string>();
  const system: SnapshotSystem = {
    volumesOf: (paths) => ({
      volumes: paths.filter((path) => !path.startsWith("net")),
      left: paths.filter((path) => path.startsWith("net")),
    }),
    create: async (volume, { newFolder, created }) => {
      existing.add(volume);
      const mountPoint = await newFolder();
      await created({ id: volume, mountPoint });
      if (volume === options.failing) throw new Error("no room");
      return [{ path: volume, source: mountPoint }];
    },
    remove: ({ id }) => {
      if (options.stuck?.has(id) === true) return Promise.reject(new Error(`${id} is stuck`));
      existing.delete(id);
      return Promise.resolve();
    },
  };
  return { existing, system };
}

const paths = (...texts: readonly string[]): readonly Buffer[] =>
  texts.map((text) => Buffer.from(`/${text}`));

suite("frozen volumes", () => {
  const warnings: BackupWarning[] = [];
  const onWarning = (warning: BackupWarning): void => void warnings.push(warning);
  const left = (stateDir: string): readonly string[] => fs.readdirSync(join(stateDir, "snapshots"));

  test("are there until the end, and leave nothing", async (context) => {
    const stateDir = await scratchFolder(context);
    const { existing, system } = newSystem();
    {
      await using frozen = await freezeVolumes(paths("a", "b", "net/c"), { stateDir, onWarning, system });
      assert.deepEqual([...existing], ["a", "b"]);
      assert.equal(frozen.readFrom.length, 2);
      // What another one that starts meanwhile must not take away.
      await removeLeftSnapshots({ stateDir, onWarning, system });
      assert.equal(existing.size, 2);
    }
    assert.deepEqual([[...existing], left(stateDir)], [[], []]);
    assert.deepEqual(
      warnings.splice(0).map(({ path, code }) => [path.toString(), code]),
      [["/net/c", "ERR_SNAPSHOT"]],
    );
  });

  test("that cannot all be frozen leave nothing either", async (context) => {
    const stateDir = await scratchFolder(context);
    const { existing, system } = newSystem({ failing: "b" });
    await assert.rejects(freezeVolumes(paths("a", "b"), { stateDir, onWarning, system }), /no room/u);
    assert.deepEqual([[...existing], left(stateDir)], [[], []]);
  });

  test("that cannot be given back are told, and given back by the next one", async (context) => {
    const stateDir = await scratchFolder(context);
    const stuck = new Set(["a"]);
    const { existing, system } = newSystem({ stuck });
    const frozen = await freezeVolumes(paths("a", "b"), { stateDir, onWarning, system });
    await frozen[Symbol.asyncDispose]();
    assert.deepEqual([...existing], ["a"]);
    assert.match(warnings.splice(0).at(0)?.message ?? "", /a is stuck/u);
    stuck.clear();
    await removeLeftSnapshots({ stateDir, onWarning, system });
    assert.deepEqual([[...existing], left(stateDir), warnings], [[], [], []]);
  });

  test("are not frozen for a backup that was cancelled", async (context) => {
    const stateDir = await scratchFolder(context);
    const { existing, system } = newSystem();
    const signal = AbortSignal.abort(new Error("enough"));
    await assert.rejects(freezeVolumes(paths("a"), { stateDir, onWarning, system, signal }), /enough/u);
    assert.equal(existing.size, 0);
  });

  test("are refused on Linux, with the way out", async (context) => {
    const stateDir = await scratchFolder(context);
    const failure = { code: "ERR_UNSUPPORTED", remedy: /LVM/u };
    await assert.rejects(freezeVolumes(paths("a"), { stateDir, onWarning }), failure);
  });

  test("of a process that was killed are given back by the next one", async (context) => {
    const stateDir = await scratchFolder(context);
    await killedWhileFrozen(stateDir);
    assert.equal(left(stateDir).filter((name) => name.endsWith(".json")).length, 1);
    const removed: SnapshotRecord[] = [];
    const system: SnapshotSystem = {
      ...newSystem().system,
      remove: (record) => {
        removed.push(record);
        return Promise.resolve();
      },
    };
    await removeLeftSnapshots({ stateDir, onWarning, system });
    assert.deepEqual(
      removed.map(({ id }) => id),
      ["a"],
    );
    assert.deepEqual(left(stateDir), []);
  });

  test("a journal that was cut off or forged ends nothing", async (context) => {
    const stateDir = await scratchFolder(context);
    fs.mkdirSync(join(stateDir, "snapshots"));
    const name = (digit: string): string => join(stateDir, "snapshots", `999999999-${digit.repeat(16)}.json`);
    fs.writeFileSync(name("0"), '[{"id":"a');
    fs.writeFileSync(name("1"), '[{"id":7},null,{"id":"b","mountPoint":3}]');
    fs.writeFileSync(join(stateDir, "snapshots", "notes.txt"), "x");
    await removeLeftSnapshots({
      stateDir,
      onWarning,
      system: newSystem({ stuck: new Set(["a", "b"]) }).system,
    });
    assert.deepEqual([left(stateDir), warnings], [["notes.txt"], []]);
  });
});

const CHILD = `
import { freezeVolumes } from ${JSON.stringify(new URL("../src/snapshots/freeze-volumes.ts", import.meta.url).href)};
const system = {
  volumesOf: (paths) => ({ volumes: paths, left: [] }),
  create: async (volume, { newFolder, created }) => {
    await created({ id: volume, mountPoint: await newFolder() });
    return [];
  },
  remove: () => Promise.resolve(),
};
await freezeVolumes([Buffer.from("/a")], { stateDir: process.argv[1], onWarning: () => {}, system });
process.stdout.write("frozen");
setInterval(() => {}, 1000);
`;

async function killedWhileFrozen(stateDir: string): Promise<void> {
  const child = spawn(process.execPath, ["--input-type=module", "-e", CHILD, stateDir], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(child.stdout, "data");
  child.kill("SIGKILL");
  await once(child, "exit");
}

suite("tools of the system", () => {
  const call = (script: string, timeoutMs = 60_000): Promise<ToolResult> =>
    runTool({ program: process.execPath, words: ["-e", script], variables: { GIVEN: "a b" }, timeoutMs });

  test("get their variables and no others", async () => {
    const { code, output, problem } = await call("console.log(process.env.GIVEN, process.env.HOME)");
    assert.deepEqual([code, output, problem], [0, "a b undefined\n", ""]);
  });

  test("read what they are given, and may end before they have", async () => {
    const give = (script: string, input?: string): Promise<ToolResult> =>
      runTool({
        program: process.execPath,
        words: ["-e", script],
        timeoutMs: 60_000,
        ...(input === undefined ? {} : { input }),
      });
    assert.equal((await give("process.stdin.pipe(process.stdout)", "some words")).output, "some words");
    assert.equal((await give("process.stdin.pipe(process.stdout)")).output, "");
    assert.equal((await give("process.exit(0)", "x".repeat(1024 * 1024))).code, 0);
  });

  test("that fail are quoted in one line", async () => {
    const { code, problem } = await call('console.error("no\\n\\nroom"); process.exit(3)');
    assert.deepEqual([code, problem], [3, "no room"]);
  });

  test("that hang, are missing, or never stop talking end all the same", async () => {
    const hung = await call("setInterval(() => {}, 1000)", 500);
    assert.equal(hung.code, undefined);
    assert.match(hung.problem, /did not end/u);
    const endless = await call("setInterval(() => console.log('x'.repeat(65536)), 1)");
    assert.equal(endless.code, undefined);
    assert.doesNotMatch(endless.problem, /did not end/u);
    const missing = await runTool({ program: "/nowhere/tool", words: [], timeoutMs: 1000 });
    assert.equal(missing.code, undefined);
    assert.match(missing.problem, /ENOENT/u);
  });
});

suite("a backup of a frozen volume", () => {
  async function scene(context: TestContext) {
    const bench = await newBench(context);
    const frozen = join(bench.folder, "frozen");
    for (const place of [bench.source, frozen]) {
      fs.mkdirSync(join(place, "below/deep"), { recursive: true });
      fs.writeFileSync(join(place, "below/deep/file"), `in ${place}`);
    }
    fs.writeFileSync(join(bench.source, "below/only-live"), "x");
    fs.writeFileSync(join(frozen, "below/only-frozen"), "x".repeat(9 * 1024 * 1024));
    const inCopy = bench.source.slice(1);
    const readFrom = [{ path: inCopy, source: frozen }];
    return { bench, frozen, inCopy, readFrom };
  }

  test("reads the snapshot under the names of the volume", async (context) => {
    const { bench, frozen, inCopy, readFrom } = await scene(context);
    const { copyId, said: warned } = await bench.backup({ readFrom });
    assert.deepEqual(warned, []);
    const copy = await bench.read(copyId);
    assert.equal(copy.has(`${inCopy}/below/only-live`), false);
    assert.equal(copy.has(`${inCopy}/below/only-frozen`), true);
    const entry = copy.get(`${inCopy}/below/deep/file`)?.entry;
    assert(entry?.kind === "file" && entry.content.form === "inline");
    assert.equal(entry.content.bytes.toString(), `in ${frozen}`);
    assert([...copy.keys()].every((path) => !path.includes("frozen/")));
  });

  test("also when only something inside of the volume was asked for, or the volume lies inside of that", async (context) => {
    const { bench, inCopy, readFrom } = await scene(context);
    const inside = Buffer.from(join(bench.source, "below"));
    const one = await bench.read((await bench.backup({ readFrom, paths: [inside] })).copyId);
    assert.equal(one.has(`${inCopy}/below/only-frozen`), true);
    const below = [{ path: `${inCopy}/below`, source: join(readFrom[0]?.source ?? "", "below") }];
    const other = await bench.read((await bench.backup({ readFrom: below })).copyId);
    assert.equal(other.has(`${inCopy}/below/only-frozen`), true);
    assert.equal(other.has(`${inCopy}/below/only-live`), false);
  });

  test("a path that is missing in the snapshot is missing", async (context) => {
    const { bench, readFrom } = await scene(context);
    const live = Buffer.from(join(bench.source, "below/only-live"));
    await assert.rejects(bench.backup({ readFrom, paths: [live] }), { code: "ERR_PATH_NOT_FOUND" });
  });

  test("leaves out this program's own folders, which the snapshot holds under another device", async (context) => {
    const { bench, inCopy, readFrom } = await scene(context);
    const own = join(bench.source, "below");
    const copy = await bench.read((await bench.backup({ readFrom, ownFolders: [own] })).copyId);
    assert.equal(copy.has(`${inCopy}/below`), true);
    assert.equal(copy.has(`${inCopy}/below/only-frozen`), false);
  });
});
