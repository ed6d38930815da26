/**
 * Every secret of a company is a canary, and real processes work with all of them, also where something fails: none of them is
 * found in the database with its log, in states, caches and logs, on command lines, in environments, in answers, in what the
 * servers of storages store and log; nor, when its tasks are over, in the memory of the agent what its leases held.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test, type TestContext } from "node:test";
import { parseRecoveryKey } from "@holdfast/crypto";
import { createdApiToken, newKit, secondFactor } from "@holdfast/protocol";
import { deriveKeySet, readConfig, rootSecretOf } from "@holdfast/repository";
import { openLocalStorage } from "@holdfast/storage";
import { SecretSearch } from "../canary/search-secrets.ts";
import { valuesInMemory } from "../memory-image.ts";
import { ADMINISTRATOR, type Scene, startScene } from "../service/scene.ts";
import { PLACES, type PlaceServer } from "../storages/places.ts";

const PASSPHRASE = `canary ${randomBytes(12).toString("hex")} + é`;
const WRONG = `wrong ${randomBytes(12).toString("hex")}`;
/** No secret: it is found wherever the others are looked for. */
const MARK = `mark-${randomBytes(12).toString("hex")}`;

type Answer = Readonly<Record<string, unknown>>;

interface World {
  readonly scene: Scene;
  readonly search: SecretSearch;
  /** What was answered, but for what the service answers on purpose. */
  readonly answers: string[];
}

/** Any status; kept. */
async function ask({ scene, answers }: World, method: string, path: string, body?: unknown): Promise<Answer> {
  const { body: answer, headers } = await scene.api.call(method, path, body);
  answers.push(JSON.stringify([answer, headers]));
  return answer;
}

interface Process {
  readonly id: number;
  readonly commandLine: string;
  readonly about: Buffer;
}

/** Those of this test, by its folder on their command lines. */
function processesOf(folder: string): readonly Process[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/u.test(name))
    .flatMap((name) => {
      try {
        const commandLine = readFileSync(`/proc/${name}/cmdline`);
        if (!commandLine.includes(folder)) return [];
        const about = Buffer.concat([commandLine, readFileSync(`/proc/${name}/environ`)]);
        return [{ id: Number(name), commandLine: commandLine.toString(), about }];
      } catch {
        // It has ended meanwhile.
        return [];
      }
    });
}

/** What leases of all kinds have carried. */
async function leaseKeysOf(storage: string): Promise<Record<string, Buffer>> {
  const [folder = ""] = readdirSync(storage);
  const local = await openLocalStorage(join(storage, folder));
  const { config } = await readConfig(local);
  const passphrase = Buffer.from(PASSPHRASE);
  const root = await rootSecretOf(local, config, { kind: "passphrase", passphrase });
  const keys = deriveKeySet(root, config.repository, ["write", "maintain", "read"]);
  const { tableKey, idKey, chunkerKey, privateSeed } = keys;
  assert(idKey !== undefined && chunkerKey !== undefined && privateSeed !== undefined);
  return { root, tableKey, idKey, chunkerKey, privateSeed };
}

async function signIn(world: World): Promise<void> {
  const { scene, search } = world;
  search.add("the administrator's password", Buffer.from(ADMINISTRATOR.password));
  search.add("a wrong password", Buffer.from(WRONG));
  await ask(world, "POST", "/session", { ...ADMINISTRATOR, password: WRONG });
  const { headers } = await scene.api.call("POST", "/session", ADMINISTRATOR);
  const [cookie = ""] = [headers["set-cookie"] ?? []].flat();
  const token = /^__Host-holdfast=([^;]+)/u.exec(cookie)?.[1] ?? assert.fail(cookie);
  search.add("the session's token", Buffer.from(token));
  const { items } = await ask(world, "GET", "/users");
  assert(Array.isArray(items));
  const [user]: { id?: unknown; revision?: unknown }[] = items;
  const seen = { "if-match": JSON.stringify(JSON.stringify(user?.revision)) };
  const given = await scene.api.call(
    "PATCH",
    `/users/${String(user?.id)}`,
    { rights: ["secrets.reveal"] },
    seen,
  );
  assert.equal(given.status, 200, JSON.stringify(given.body));
}

/** Everything that the service draws itself, and tells once, to the one who asks. */
async function drawSecrets(world: World): Promise<void> {
  const { scene, search } = world;
  const { api } = scene;
  const own = { password: ADMINISTRATOR.password };
  const token = { name: "t", scopes: ["plans.read", "service.operate"], expiresAt: null };
  search.add(
    "the API token",
    Buffer.from(createdApiToken.parse(await api.ok("POST", "/tokens", token)).token),
  );
  const kit = newKit.parse(await api.ok("POST", "/vault/recovery-kit", own));
  search.add("the recovery kit", Buffer.from(kit.text.split("\n")[1] ?? assert.fail("no line")));
  search.add("the recovery seed", parseRecoveryKey(kit.text));
  const confirmation = `/vault/recovery-kit/${kit.id}/confirmation`;
  await ask(world, "POST", confirmation, { groups: ["AAAAA", "BBBBB"] });
  await ask(world, "POST", confirmation, { skip: true });
  const totp = secondFactor.parse(await api.ok("POST", "/session/second-factor", own));
  search.add("the TOTP seed", Buffer.from(totp.secret));
  const passphrase = `canary of a slot ${randomBytes(8).toString("hex")}`;
  search.add("the vault's passphrase", Buffer.from(passphrase));
  await ask(world, "POST", "/vault/slots", { label: "s", passphrase, confirmation: passphrase, ...own });
  const drawn = { kind: "encryption-key", name: "drawn", generate: true };
  const { id } = await ask(world, "POST", "/secrets", drawn);
  const reveal = `/secrets/${String(id)}/reveal`;
  await ask(world, "POST", reveal, { password: WRONG, reason: "a try" });
  const { value } = await api.ok("POST", reveal, { ...own, reason: "to look" });
  search.add("the generated key", Buffer.from(String(value)));
}

/** Backs up, verifies and restores. */
async function work(
  world: World,
  device: string,
  name: string,
  storage: unknown,
  key: unknown,
): Promise<void> {
  const { bench, ended } = world.scene;
  const plan = await ask(world, "POST", "/plans", {
    name,
    devices: [device],
    paths: [bench.path("source")],
    storage,
    encryption: { method: "gcm", level: "high", secret: key },
  });
  const { tasks } = await ask(world, "POST", `/plans/${String(plan["id"])}/run`, {});
  assert(Array.isArray(tasks), JSON.stringify(plan));
  const backup = await ended(tasks[0]);
  assert.equal(backup["state"], "succeeded", JSON.stringify(backup["error"]));
  const { items } = await ask(world, "GET", `/copies?plan=${String(plan["id"])}`);
  assert(Array.isArray(items));
  const [copy]: { id?: unknown; repository?: unknown }[] = items;
  const target = bench.path(`restored-${name}`);
  const started = [
    await ask(world, "POST", `/copies/${String(copy?.id)}/restore`, { target }),
    await ask(world, "POST", `/repositories/${String(copy?.repository)}/verify`, { readData: true }),
  ];
  for (const { task } of started) assert.equal((await ended(task))["state"], "succeeded");
}

/** What the service shows of everything. */
async function lookAround(world: World): Promise<void> {
  for (const path of [
    "secrets",
    "storages",
    "devices",
    "plans",
    "tasks",
    "copies",
    "audit",
    "users",
    "tokens",
  ]) {
    const { items } = await ask(world, "GET", `/${path}`);
    assert(Array.isArray(items), path);
    if (path !== "tasks") continue;
    for (const { id } of items) await ask(world, "GET", `/tasks/${String(id)}/events`);
  }
}

/** A storage as its server gives it, with what is secret of its credentials. */
interface Remote {
  readonly location: string;
  readonly identity: Readonly<Record<string, string>>;
  readonly secrets: Readonly<Record<string, string>>;
}

const IDENTITY: readonly string[] = ["user", "accessKeyId"];

function remoteOf({ door, credentials }: PlaceServer, folder: string): Remote {
  const location = door.url("canary", door.port);
  const { keyFile, ...named } = credentials;
  if (keyFile !== undefined) return { location, identity: {}, secrets: encryptedKey(keyFile, folder) };
  const part = (isIdentity: boolean): Record<string, string> =>
    Object.fromEntries(Object.entries(named).filter(([name]) => IDENTITY.includes(name) === isIdentity));
  return { location, identity: part(true), secrets: part(false) };
}

/** The same key under a passphrase; the file is gone. */
function encryptedKey(keyFile: string, folder: string): Record<string, string> {
  const copy = join(folder, "key-of-storage");
  const passphrase = `canary of a key ${randomBytes(8).toString("hex")}`;
  copyFileSync(keyFile, copy);
  execFileSync("ssh-keygen", ["-q", "-p", "-P", "", "-N", passphrase, "-f", copy]);
  const privateKey = readFileSync(copy, "utf8");
  rmSync(copy);
  return { privateKey, passphrase };
}

/** @returns the id of the device. */
async function play(world: World, remote: Remote): Promise<string> {
  const { scene, search } = world;
  const { bench, ended } = scene;
  await signIn(world);
  await drawSecrets(world);
  const device = await scene.addAgent("one");
  mkdirSync(bench.path("source"));
  writeFileSync(join(bench.path("source"), "file"), randomBytes(2_000_000));
  search.add("the passphrase", Buffer.from(PASSPHRASE));
  const addSecret = async (kind: string, name: string, value: string): Promise<unknown> => {
    search.add(`the secret ${name}`, Buffer.from(value));
    return (await ask(world, "POST", "/secrets", { kind, name, value, confirmation: value }))["id"];
  };
  const key = await addSecret("encryption-key", "key", PASSPHRASE);
  const { location, identity } = remote;
  const secrets: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(remote.secrets)) {
    secrets[name] = await addSecret("password", name, value);
    // A key in pieces is found, too.
    const [, ...lines] = value.split("\n").slice(0, -2);
    for (const [number, line] of lines.entries())
      search.add(`line ${String(number)} of the ${name}`, Buffer.from(line));
  }
  const addStorage = (name: string, fields: Answer): Promise<Answer> =>
    ask(world, "POST", "/storages", { name, ...fields });
  const far = await addStorage("remote", { location, identity, secrets });
  const local = await addStorage("local", { description: MARK, location: bench.path("storage") });
  await work(world, device, "local", local["id"], key);
  await work(world, device, "remote", far["id"], key);
  // What fails says most.
  const other = await addSecret("password", "of nobody", `nobody ${randomBytes(12).toString("hex")}`);
  const wrong = Object.fromEntries(Object.keys(secrets).map((name) => [name, other]));
  const refused = await addStorage("refused", { location, identity, secrets: wrong });
  const { task } = await ask(world, "POST", `/storages/${String(refused["id"])}/test`, { device });
  assert.equal((await ended(task))["state"], "failed");
  await addSecret("password", PASSPHRASE, PASSPHRASE);
  await addStorage("x", { location: `sftp://me:${WRONG}@127.0.0.1/x` });
  await addStorage("x", { location: "/x", identity: { password: WRONG } });
  await lookAround(world);
  return device;
}

function withTexts(keys: Readonly<Record<string, Buffer>>): Record<string, Buffer> {
  const all: Record<string, Buffer> = { ...keys, passphrase: Buffer.from(PASSPHRASE) };
  for (const [name, bytes] of Object.entries(keys)) {
    all[`${name} as text`] = Buffer.from(bytes.toString("base64"));
  }
  return all;
}

const TRIED = ["WebDAV", "SFTP", "S3"];
const platform = process.platform === "linux" ? false : "reads /proc";

async function playedWorld(
  context: TestContext,
  server: PlaceServer,
): Promise<World & { readonly device: string; readonly remote: Remote }> {
  const scene = await startScene(context, ["--no-worker"]);
  const world: World = { scene, search: new SecretSearch(), answers: [] };
  const remote = remoteOf(server, scene.bench.folder);
  return { ...world, remote, device: await play(world, remote) };
}

for (const place of PLACES.filter(({ name }) => TRIED.includes(name))) {
  const skip = place.skip === false ? platform : place.skip;
  test(`the secrets of a company with a storage of ${place.name} are nowhere but in their boxes`, {
    skip,
    timeout: 600_000,
  }, async (context) => {
    await using server = await place.start();
    const { scene, search, answers, device, remote } = await playedWorld(context, server);
    const { bench, complaints } = scene;
    const keys = await leaseKeysOf(bench.path("storage"));
    for (const [name, bytes] of Object.entries(keys)) search.add(`the lease's ${name}`, bytes);

    const processes = processesOf(bench.folder);
    assert.equal(processes.length, 2, "service and agent");
    for (const { about } of processes)
      assert.deepEqual(search.in(about), [], "a command line or environment");
    assert.deepEqual(search.in(Buffer.from(complaints())), [], "a log");
    assert(complaints().includes('"event":"request"'), "there is a log to search");
    assert.deepEqual(search.in(Buffer.from(answers.join("\n"))), [], "an answer");

    // With the log that is written ahead, before it is folded into the database.
    assert(readFileSync(bench.path("service", "holdfast.sqlite-wal")).length > 0);
    const isLeftOut = (path: string): boolean => /^(?:key$|source|restored)/u.test(path);
    assert.deepEqual(search.below(bench.folder, isLeftOut), [], "a file");
    using database = new DatabaseSync(bench.path("service", "holdfast.sqlite"), { readOnly: true });
    const leases = database.prepare("select id from leases").all();
    assert(leases.length >= 6, "leases were given");
    const mark = new SecretSearch();
    mark.add("the mark", Buffer.from(MARK));
    assert(mark.below(bench.folder, isLeftOut).length > 0, "the files are searched");
    assert(mark.in(Buffer.from(answers.join("\n"))).length > 0, "the answers are searched");

    assert(server.seen !== undefined);
    const seen = Buffer.concat(await server.seen());
    assert.deepEqual(search.in(seen), [], "what the server of the storage stores and logs");
    assert(seen.includes("canary/"), "the server is searched");

    const agent = processes.find(({ commandLine }) => commandLine.includes("agent-one")) ?? assert.fail();
    const known = { device: Buffer.from(device) };
    assert.deepEqual(valuesInMemory(agent.id, known), ["device"], "the memory is searched");
    assert.deepEqual(valuesInMemory(agent.id, withTexts(keys)), []);
    const service = processes.find(({ id }) => id !== agent.id) ?? assert.fail();
    const remains = valuesInMemory(service.id, withTexts(keys));
    // docs/security.md, section 5: texts of requests and leases stay until their memory is used again.
    context.diagnostic(`still in the service's memory: ${remains.join(", ") || "nothing"}`);
    assert(!remains.includes("root"), "root secrets are wiped");
    const ofStorage = Object.entries(remote.secrets).map(([name, value]) => [name, Buffer.from(value)]);
    const kept = valuesInMemory(agent.id, Object.fromEntries(ofStorage));
    // The same section: strings of the libraries that talk to storages.
    context.diagnostic(`still in the agent's memory: ${kept.join(", ") || "nothing"}`);
  });
}
