/**
 * One good repository for each suite, made by real backups: three copies, of which the second shares nearly everything
 * with the first and the third nothing with either.
 *
 * @module
 */
import assert from "node:assert/strict";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { type Suite, SUITE_NONE } from "@holdfast/crypto";
import {
  addSlot,
  createRepository,
  openRepository,
  recoveryPublicKey,
  type Repository,
  rootSecretOf,
  type SlotKey,
} from "@holdfast/repository";
import { fixturePorts, newRepository, writeCopy } from "@holdfast/repository/fixture-writer";
import { encodeSessionBeat } from "@holdfast/repository/format-parts";
import { backupFiles, createSelection } from "@holdfast/sources";
import { openLocalStorage } from "@holdfast/storage";
import { settle, writeSampleTree } from "../sample-tree.ts";
import { SeededRandom } from "../seeded-random.ts";
import { Model } from "./copy-model.ts";

export const KIT_SEED = Buffer.alloc(32, 0x4b);
export const KIT: SlotKey = { kind: "recovery", seed: KIT_SEED };
export const PASSPHRASE: SlotKey = {
  kind: "passphrase",
  passphrase: Buffer.from("a long enough passphrase"),
};
const CHEAP = { memoryKiB: 8192, passes: 1, lanes: 1 };
const UNIFORM_BYTES = 4_500_000;

export interface Sample {
  readonly suite: Suite;
  /** Of the repository. */
  readonly folder: string;
  readonly scratch: string;
  readonly model: Model;
  readonly copies: { readonly first: string; readonly second: string; readonly other: string };
  /** Objects by what brought them: the first backup, the second, the other, or the repository itself. */
  readonly objects: Record<"own" | "first" | "second" | "other", readonly string[]>;
  /** Objects of another repository of the same suite. */
  readonly foreign: Record<"packs" | "index" | "copies", Buffer>;
}

const scratches: string[] = [];
after(() => {
  for (const scratch of scratches) fs.rmSync(scratch, { recursive: true, force: true });
});

const samples = new Map<number, Promise<Sample>>();

export function sampleOf(suite: Suite): Promise<Sample> {
  const known = samples.get(suite.code) ?? makeSample(suite);
  samples.set(suite.code, known);
  return known;
}

export async function openAs(
  folder: string,
  key: SlotKey | undefined,
  capabilities: Parameters<typeof openRepository>[2] = ["write", "maintain", "read"],
): Promise<Repository> {
  return openRepository(fixturePorts(await openLocalStorage(folder)), key, capabilities);
}

export function keyOf(suite: Suite): SlotKey | undefined {
  return suite === SUITE_NONE ? undefined : KIT;
}

/** Names of all objects, as a storage calls them. */
export function namesIn(folder: string): string[] {
  return fs
    .readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .toSorted();
}

async function makeSample(suite: Suite): Promise<Sample> {
  const scratch = fs.mkdtempSync(join(tmpdir(), "holdfast-damage-"));
  scratches.push(scratch);
  const folder = join(scratch, "repository");
  const storage = await openLocalStorage(folder, { create: true });
  const ports = fixturePorts(storage);
  const target = { kind: "passphrase", passphrase: passphraseBytes(), parameters: CHEAP } as const;
  const slot = suite === SUITE_NONE ? {} : { slot: { target, label: "by passphrase" } };
  const config = await createRepository(ports, { suite, ...slot });
  if (suite !== SUITE_NONE) await addKit(scratch, config.repository);
  const repository = await openAs(folder, keyOf(suite));
  const brought: string[][] = [];
  const note = (): void => {
    brought.push(namesIn(folder).filter((name) => !brought.flat().includes(name)));
  };
  writeSession(repository, folder);
  note();
  const one = join(scratch, "one");
  writeSampleTree(one, { seed: "one", largeBytes: 2_500_000, manyPages: true });
  fs.writeFileSync(join(one, "uniform"), Buffer.alloc(UNIFORM_BYTES, 0x55));
  settle(one);
  const first = await backUp(repository, one, "host one");
  note();
  fs.writeFileSync(join(one, "small", "bundled 0"), new SeededRandom("changed").bytes(4000));
  fs.writeFileSync(join(one, "added"), new SeededRandom("added").bytes(150_000));
  settle(one);
  const second = await backUp(repository, one, "host one");
  note();
  const two = join(scratch, "two");
  writeSampleTree(two, { seed: "two", largeBytes: 300_000, manyPages: false });
  const other = await backUp(repository, two, "host two");
  note();
  const [own = [], byFirst = [], bySecond = [], byOther = []] = brought;
  const model = new Model(folder, suite === SUITE_NONE ? undefined : KIT_SEED);
  const objects = { own, first: byFirst, second: bySecond, other: byOther };
  const foreign = await foreignObjects(suite);
  return { suite, folder, scratch, model, copies: { first, second, other }, objects, foreign };
}

async function foreignObjects(suite: Suite): Promise<Sample["foreign"]> {
  const { storage, repository } = await newRepository(suite);
  await writeCopy(repository, [{ kind: "file", path: "foreign", content: Buffer.alloc(5000, "foreign ") }]);
  const one = async (prefix: string): Promise<Buffer> => {
    const [info] = await Array.fromAsync(storage.list(`${prefix}/`));
    assert(info !== undefined);
    return storage.get(info.name);
  };
  return { packs: await one("packs"), index: await one("index"), copies: await one("copies") };
}

function passphraseBytes(): Uint8Array {
  assert(PASSPHRASE.kind === "passphrase");
  return PASSPHRASE.passphrase;
}

async function addKit(scratch: string, repository: Buffer): Promise<void> {
  const storage = await openLocalStorage(join(scratch, "repository"));
  const opened = await openRepository(fixturePorts(storage), PASSPHRASE, ["maintain"]);
  const rootSecret = await rootSecretOf(storage, opened.config, PASSPHRASE);
  const target = { kind: "recovery", publicKey: recoveryPublicKey(KIT_SEED) } as const;
  const { tableKey } = opened.keys;
  await addSlot(storage, { repository, rootSecret, tableKey, label: "kit", createdMs: 1, target });
}

/** Of a session on another machine, as if it were at work. */
function writeSession({ keys }: Repository, folder: string): void {
  const session = Buffer.alloc(16, 5);
  const process = { host: "elsewhere", bootId: "boot", processId: 1, startTime: "1" };
  const beat = { session, role: "writer", startedMs: Date.now(), beatMs: Date.now(), process } as const;
  fs.mkdirSync(join(folder, "sessions"), { recursive: true });
  const name = `${session.toString("hex")}.000001`;
  fs.writeFileSync(join(folder, "sessions", name), encodeSessionBeat(beat, keys.repository, keys.tableKey));
}

async function backUp(repository: Repository, path: string, host: string): Promise<string> {
  const { copyId, warnings } = await backupFiles(repository, {
    paths: [Buffer.from(path)],
    selection: createSelection({}),
    oneFileSystem: false,
    host,
    tags: ["sample"],
    program: "holdfast test",
    compressionLevel: 3,
    workers: 1,
  });
  assert(copyId !== undefined && warnings === 0);
  return copyId;
}
