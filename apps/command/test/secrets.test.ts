import assert from "node:assert/strict";
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { suite, test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { deriveKeySet, readConfig, rootSecretOf } from "@holdfast/repository";
import { openStorage } from "@holdfast/storage";
import {
  noCoreImage,
  valuesInCoreImage,
  valuesInMemory,
  WITH_CORE_IMAGE,
} from "../../../test/memory-image.ts";
import { type Bench, environment, newBench, outcomeOf } from "./run-holdfast.ts";

const IS_LINUX = process.platform === "linux";
const STAY_AFTER = fileURLToPath(new URL("./stay-after.ts", import.meta.url));

interface Secrets {
  readonly bench: Bench;
  readonly passphrase: string;
  /** What must not be in the memory of a process whose work is done. */
  readonly values: Readonly<Record<string, Uint8Array>>;
}

async function newSecrets(context: TestContext): Promise<Secrets> {
  const bench = newBench(context);
  const passphrase = `canary-${randomBytes(16).toString("hex")}`;
  writeFileSync(bench.keyFile, `${passphrase}\n`);
  await bench.ok(["init", bench.storage]);
  await using storage = await openStorage(bench.storage);
  const { config } = await readConfig(storage);
  const key = { kind: "passphrase", passphrase: Buffer.from(passphrase) } as const;
  const rootSecret = await rootSecretOf(storage, config, key);
  const { privateSeed = Buffer.alloc(0) } = deriveKeySet(rootSecret, config.repository, ["read"]);
  assert.equal(privateSeed.length, 32);
  const values = {
    passphrase: Buffer.from(passphrase),
    "passphrase as UTF-16": Buffer.from(passphrase, "utf16le"),
    "root secret": rootSecret,
    "private seed": privateSeed,
    "private seed in hex": Buffer.from(privateSeed.toString("hex")),
  };
  return { bench, passphrase, values };
}

/** Starts the command in a process that stays, and waits until its work is done. */
async function startAndStay(
  context: TestContext,
  bench: Bench,
  argumentsGiven: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<ChildProcess & { readonly pid: number }> {
  const [shell, ...rest] = [...WITH_CORE_IMAGE, process.execPath, STAY_AFTER, ...argumentsGiven];
  const child = spawn(shell, rest, {
    cwd: bench.folder,
    env: environment(bench.folder, env),
    stdio: ["pipe", "ignore", "pipe"],
  });
  context.after(() => child.kill());
  let said = "";
  await new Promise<void>((resolve, reject) => {
    child.on("exit", () => reject(new Error(said)));
    child.stderr.on("data", (piece: Buffer) => {
      said += piece.toString();
      if (said.includes("stays after")) resolve();
    });
  });
  assert.match(said, /stays after 0\n/u);
  assert(child.pid !== undefined);
  return Object.assign(child, { pid: child.pid });
}

function newSource({ path }: Bench): string {
  const source = path("source");
  spawnSync("mkdir", ["-p", source]);
  for (let index = 0; index < 50; index += 1) {
    writeFileSync(join(source, String(index)), randomBytes(200_000));
  }
  return source;
}

suite("A passphrase", { skip: IS_LINUX ? false : "looks into /proc" }, () => {
  test("in the environment is gone from it while a backup runs", async (context) => {
    const { bench, passphrase } = await newSecrets(context);
    const source = newSource(bench);
    // It stays until it has been looked at, however late that is.
    const child = spawn(process.execPath, [STAY_AFTER, "backup", bench.storage, source, "--json"], {
      env: environment(bench.folder, { HOLDFAST_KEY: passphrase }),
      stdio: "pipe",
    });
    context.after(() => child.kill());
    const seen: Buffer[] = [];
    // The first word of progress: threads are at work.
    child.stdout.once("data", () => {
      seen.push(
        readFileSync(`/proc/${String(child.pid)}/environ`),
        readFileSync(`/proc/${String(child.pid)}/cmdline`),
      );
      child.stdin.end();
    });
    const { exit, stdout, stderr } = await outcomeOf(child);
    assert.equal(exit, 0, stderr);
    const [environ = Buffer.alloc(0), line] = seen;
    assert(environ.includes("HOME="), "the environment was not seen");
    assert(line !== undefined && !environ.includes(passphrase) && !line.includes(passphrase));
    assert(!stdout.includes(passphrase) && !stderr.includes(passphrase));
  });
});

suite("The memory of a process whose work is done", { skip: IS_LINUX ? false : "looks into /proc" }, () => {
  test("would show a secret that is there", async (context) => {
    const { bench, passphrase } = await newSecrets(context);
    // The test of the test: a variable that the command does not care for.
    const child = await startAndStay(context, bench, ["--help"], { ANOTHER_KEY: passphrase });
    assert.deepEqual(valuesInMemory(child.pid, { passphrase: Buffer.from(passphrase) }), ["passphrase"]);
  });

  test("holds no passphrase, root secret or private seed", async (context) => {
    const { bench, passphrase, values } = await newSecrets(context);
    const source = newSource(bench);
    const { storage, keyFile, path } = bench;
    const byVariable = { HOLDFAST_KEY: passphrase };
    const byFile = { HOLDFAST_KEY_FILE: keyFile };
    const cases: readonly (readonly [readonly string[], Readonly<Record<string, string>>])[] = [
      [["backup", storage, source], byVariable],
      [["backup", storage, source, "--tag", "again"], byFile],
      [["copies", storage], byVariable],
      [["ls", storage, "latest"], byFile],
      [["restore", storage, "latest", "--target", path("restored")], byVariable],
      [["key", "add", storage, "--recovery-kit", path("kit")], byFile],
      [["key", "list", storage], byVariable],
    ];
    const found: Record<string, readonly string[]> = {};
    for (const [argumentsGiven, env] of cases) {
      const child = await startAndStay(context, bench, argumentsGiven, env);
      const names = valuesInMemory(child.pid, values);
      if (names.length > 0) found[argumentsGiven.join(" ")] = names;
      child.kill();
    }
    assert.deepEqual(found, {});
  });

  test("holds none in a core image either", { skip: noCoreImage() }, async (context) => {
    const { bench, passphrase, values } = await newSecrets(context);
    const { storage, folder } = bench;
    for (const [argumentsGiven, env] of [
      [["backup", storage, newSource(bench)], { HOLDFAST_KEY: passphrase }],
      [
        ["restore", storage, "latest", "--target", bench.path("restored")],
        { HOLDFAST_KEY_FILE: bench.keyFile },
      ],
    ] as const) {
      const child = await startAndStay(context, bench, argumentsGiven, env);
      // What is known to be there shows that the image was searched.
      const known = { "place of the storage": Buffer.from(storage) };
      const found = await valuesInCoreImage(child, { ...values, ...known }, folder);
      assert.deepEqual(found, ["place of the storage"], argumentsGiven.join(" "));
    }
  });
});
