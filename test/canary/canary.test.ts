/** No key and no passphrase is ever in an object, a cache, a temporary file, an output or an error of the command. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test, type TestContext } from "node:test";
import { parseRecoveryKey } from "@holdfast/crypto";
import { deriveKeySet, rootSecretOf, readConfig } from "@holdfast/repository";
import { openLocalStorage } from "@holdfast/storage";
import { shareCompiledCode } from "../compile-cache.ts";
import { openEnvelope } from "../reader/keys.ts";
import { listCopies, openRepository } from "../reader/repository.ts";
import { writeSampleTree } from "../sample-tree.ts";
import { SecretSearch } from "./search-secrets.ts";

const LAUNCHER = join(import.meta.dirname, "../../holdfast");

class Bench {
  readonly folder: string;
  readonly storage: string;
  readonly keyFile: string;
  readonly passphrase = `canary ${randomBytes(12).toString("hex")} + é`;
  /** Everything that any command has said. */
  readonly said: Buffer[] = [];

  constructor(context: TestContext) {
    this.folder = fs.mkdtempSync(join(tmpdir(), "holdfast-canary-"));
    context.after(() => {
      fs.rmSync(this.folder, { recursive: true, force: true });
    });
    this.storage = this.path("storage");
    this.keyFile = this.path("key");
    fs.mkdirSync(this.path("tmp"));
    fs.writeFileSync(this.keyFile, `${this.passphrase}\n`, { mode: 0o600 });
  }

  path(...names: readonly string[]): string {
    return join(this.folder, ...names);
  }

  /** Runs the command; the exit code is one of `exits`. */
  run(exits: readonly number[], args: readonly string[], env: Readonly<Record<string, string>> = {}): string {
    const done = spawnSync(LAUNCHER, args, {
      cwd: this.folder,
      input: "",
      env: {
        PATH: process.env["PATH"],
        NODE_NO_WARNINGS: "1",
        HOME: this.folder,
        TMPDIR: this.path("tmp"),
        XDG_CACHE_HOME: this.path("cache"),
        XDG_CONFIG_HOME: this.path("config"),
        HOLDFAST_KEY_FILE: this.keyFile,
        ...env,
      },
    });
    this.said.push(done.stdout, done.stderr);
    const text = `${done.stdout.toString()}${done.stderr.toString()}`;
    assert(
      done.status !== null && exits.includes(done.status),
      `${args.join(" ")}: ${String(done.status)} ${text}`,
    );
    return done.stdout.toString();
  }
}

/** Every key of the repository, and those of its sessions. */
async function secretsOf(bench: Bench, kitFile: string): Promise<SecretSearch> {
  const storage = await openLocalStorage(bench.storage);
  const { config } = await readConfig(storage);
  const passphrase = Buffer.from(bench.passphrase);
  const rootSecret = await rootSecretOf(storage, config, { kind: "passphrase", passphrase });
  const keys = deriveKeySet(rootSecret, config.repository, ["write", "maintain", "read"]);
  const search = new SecretSearch();
  search.add("the passphrase", passphrase);
  search.add("the root secret", rootSecret);
  const { tableKey, idKey, chunkerKey, privateSeed } = keys;
  for (const [name, key] of Object.entries({ tableKey, idKey, chunkerKey, privateSeed })) {
    assert(key?.length === 32);
    search.add(name, key);
  }
  const kit = fs.readFileSync(kitFile, "utf8");
  search.add("the recovery seed", parseRecoveryKey(kit));
  search.add(
    "the text of the recovery kit",
    Buffer.from(kit.split("\n").find((line) => /^[0-9A-Z]{5} /u.test(line)) ?? "?"),
  );
  const reader = openRepository(bench.storage, passphrase);
  const envelopes = reader.packs.flatMap((pack) => [...pack.envelopes.values()]);
  assert(envelopes.length > 0 && listCopies(reader).length > 0);
  for (const envelope of envelopes) search.add("a session key", openEnvelope(reader.keys, envelope));
  return search;
}

suite("secrets", () => {
  test("a search finds what leaks, in every form", (context) => {
    const secret = randomBytes(32);
    const search = new SecretSearch();
    search.add("it", secret);
    assert.deepEqual(search.in(Buffer.concat([randomBytes(99), secret, randomBytes(9)])), ["it as it is"]);
    for (const shift of [0, 1, 2]) {
      const around = Buffer.concat([randomBytes(shift + 3), secret, randomBytes(7)]);
      assert(search.in(Buffer.from(around.toString("base64"))).length > 0);
      assert(search.in(Buffer.from(around.toString("base64url"))).length > 0);
      assert.equal(search.in(Buffer.from(`{"k":"${around.toString("hex")}"}`)).length, 1);
    }
    assert.deepEqual(search.in(Buffer.from(JSON.stringify(secret))), ["it as a list of numbers"]);
    const folder = fs.mkdtempSync(join(tmpdir(), "holdfast-canary-"));
    context.after(() => {
      fs.rmSync(folder, { recursive: true });
    });
    fs.mkdirSync(join(folder, "below"));
    fs.writeFileSync(join(folder, "below", secret.toString("hex")), secret.toString("base64"));
    assert(search.below(folder, () => false).length >= 2);
    assert.deepEqual(
      search.below(folder, () => true),
      [],
    );
  });

  test("are nowhere after a repository's life, its failures included", {
    timeout: 240_000,
  }, async (context) => {
    shareCompiledCode();
    const bench = new Bench(context);
    const { storage } = bench;
    const source = bench.path("source");
    const kitFile = bench.path("kit");
    const wrongKey = bench.path("wrong key");
    writeSampleTree(source, { seed: "canary", largeBytes: 300_000, manyPages: false });
    fs.writeFileSync(wrongKey, "wrong\n", { mode: 0o600 });
    bench.run([0], ["init", storage]);
    bench.run([0], ["key", "add", storage, "--recovery-kit", kitFile, "--label", "kit"]);
    bench.run([0], ["backup", storage, source, "--verbose"]);
    fs.appendFileSync(join(source, "inline"), "more");
    bench.run([0], ["backup", storage, source, "--json"]);
    bench.run([0], ["key", "list", storage]);
    bench.run([0], ["copies", storage, "--json"]);
    bench.run([0], ["ls", storage, "latest"]);
    bench.run([0], ["find", storage, "*bundled*"]);
    bench.run([0], ["restore", storage, "latest", "--target", bench.path("restored"), "--verbose"]);
    bench.run([0], ["verify", storage, "--read-data"]);
    bench.run([0], ["replicate", storage, bench.path("replica")]);
    bench.run([0], ["forget", storage, "--keep-last", "1"]);
    bench.run([0], ["clean", storage, "--verbose"]);
    // With the key in the environment, and with the kit.
    bench.run([0], ["key", "check", storage], { HOLDFAST_KEY_FILE: "", HOLDFAST_KEY: bench.passphrase });
    bench.run([0], ["copies", storage, "--verbose"], { HOLDFAST_KEY_FILE: kitFile });
    const search = await secretsOf(bench, kitFile);
    // What fails says much: above all with --verbose.
    const wrong = { HOLDFAST_KEY_FILE: wrongKey };
    bench.run([4], ["backup", storage, source, "--verbose"], wrong);
    bench.run([4], ["key", "check", storage, "--verbose", "--json"], wrong);
    bench.run([2], ["copies", storage, "--key", bench.path("key"), "--verbose"]);
    bench.run([1, 2, 6, 7], ["init", storage, "--verbose"]);
    bench.run([1, 2, 6, 7], ["key", "add", storage, "--recovery-kit", kitFile, "--verbose"]);
    bench.run([1, 2, 6], ["restore", storage, "latest", "--target", "/dev/null/x", "--verbose"]);
    bench.run([1, 2], ["dump", storage, "latest", "not/there", "--verbose"]);
    damage(storage);
    bench.run([5], ["verify", storage, "--read-data", "--verbose"]);
    bench.run([0, 1, 3, 5], ["restore", storage, "latest", "--target", bench.path("again"), "--verbose"]);
    fs.writeFileSync(join(storage, "config"), fs.readFileSync(join(storage, "config")).fill(0, 900, 950));
    bench.run([5], ["copies", storage, "--verbose"]);
    assert.deepEqual(search.in(Buffer.concat(bench.said)), []);
    // Keys belong into the key files; source and restored files are no places to write one.
    const isLeftOut = (path: string): boolean => /^(?:key$|kit$|source|restored|again)/u.test(path);
    assert.deepEqual(search.below(bench.folder, isLeftOut), []);
    assert(fs.existsSync(bench.path("cache")), "there is a cache to search");
  });
});

/** A bit in every pack, segment and manifest. */
function damage(storage: string): void {
  for (const entry of fs.readdirSync(storage, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (!entry.isFile() || !/\/(?:packs|index)\//u.test(path)) continue;
    const bytes = fs.readFileSync(path);
    const at = Math.floor(bytes.length / 2);
    bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
    fs.rmSync(path);
    fs.writeFileSync(path, bytes);
  }
}
