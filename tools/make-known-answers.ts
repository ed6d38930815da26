/**
 * Makes the known answers: one small repository per suite, written by the engine, with what a reader must find in it. They pin
 * the format: committed once, they must open for ever, so that nothing here overwrites any.
 *
 *     node tools/make-known-answers.ts
 *
 * Takes root, since the tree holds device files.
 *
 * @module
 */
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { formatRecoveryKey, type Suite, SUITE_NONE, SUITES } from "@holdfast/crypto";
import { systemClock, systemRandomness } from "@holdfast/kernel";
import {
  addSlot,
  createRepository,
  openRepository,
  recoveryPublicKey,
  type Repository,
  type RepositoryPorts,
  rootSecretOf,
  type SlotKey,
  verifyRepository,
} from "@holdfast/repository";
import { backupFiles, createSelection } from "@holdfast/sources";
import { openLocalStorage } from "@holdfast/storage";
import { listCopies, openRepository as openAgain } from "../test/reader/repository.ts";
import { listing } from "../test/reader/main.ts";
import { shortened } from "../test/known-answers/known-answer.ts";
import { settle, writeSampleTree } from "../test/sample-tree.ts";

const root = join(import.meta.dirname, "../test/known-answers");
const PASSPHRASE = "known answers: correct horse battery staple";
/** The least that the format allows. */
const CHEAP = { memoryKiB: 8192, passes: 1, lanes: 1 };
const LARGE_BYTES = 1_300_000;
const REPOSITORY_BYTES_MAX = 60 * 1024;
const LABEL = "known answers";

async function portsOf(folder: string): Promise<RepositoryPorts> {
  return {
    storage: await openLocalStorage(folder, { create: true }),
    clock: systemClock,
    randomness: systemRandomness,
    process: { host: "known answers", bootId: "", processId: process.pid, startTime: "" },
    hasEnded: () => false,
  };
}

/** A repository that both keys open; what is not encrypted takes none. */
async function makeRepository(folder: string, suite: Suite, seed: Buffer): Promise<Repository> {
  const ports = await portsOf(folder);
  const all = ["write", "maintain", "read"] as const;
  if (suite === SUITE_NONE) {
    await createRepository(ports, { suite });
    return openRepository(ports, undefined, all);
  }
  const key: SlotKey = { kind: "passphrase", passphrase: Buffer.from(PASSPHRASE) };
  const config = await createRepository(ports, {
    suite,
    slot: { target: { ...key, parameters: CHEAP }, label: LABEL },
  });
  const repository = await openRepository(ports, key, all);
  const rootSecret = await rootSecretOf(ports.storage, config, key);
  await addSlot(ports.storage, {
    repository: config.repository,
    rootSecret,
    tableKey: repository.keys.tableKey,
    label: LABEL,
    createdMs: Date.now(),
    target: { kind: "recovery", publicKey: recoveryPublicKey(seed) },
  });
  return repository;
}

async function backUp(repository: Repository, path: string, name: string): Promise<void> {
  const { warnings } = await backupFiles(repository, {
    paths: [Buffer.from(path)],
    selection: createSelection({}),
    oneFileSystem: false,
    host: "known.example",
    name,
    tags: ["one", "zwei ü"],
    program: "holdfast known answers",
    compressionLevel: 3,
    workers: 1,
    onWarning: ({ message }) => process.stderr.write(`${message}\n`),
  });
  if (warnings > 0) throw new Error("A backup had warnings.");
}

/** What is only for root, or has no file of its own. */
async function addSpecialFiles(folder: string): Promise<void> {
  execFileSync("mknod", [join(folder, "character device"), "c", "1", "3"]);
  execFileSync("mknod", [join(folder, "block device"), "b", "7", "200"]);
  const server = createServer();
  await new Promise<void>((resolve) => {
    server.listen(join(folder, "socket"), resolve);
  });
  // A server that is closed takes its socket along: a second name keeps the file.
  fs.linkSync(join(folder, "socket"), join(folder, "a socket"));
  await new Promise((resolve) => {
    server.close(resolve);
  });
  settle(folder);
}

function sizeOf(folder: string): number {
  return fs
    .readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + fs.statSync(join(entry.parentPath, entry.name)).size, 0);
}

/** What the second reader finds, which was written from docs/format.md alone. */
function expectedOf(folder: string, secret: Buffer | undefined): unknown {
  const reader = openAgain(folder, secret);
  return listCopies(reader).map((copy) => ({
    ...copy,
    root: copy.root.type,
    paths: copy.paths.map(String),
    entries: listing(reader, copy.id).map(shortened),
  }));
}

async function makeKnownAnswer(suite: Suite, source: string): Promise<void> {
  const folder = join(root, suite.name);
  if (fs.existsSync(folder)) throw new Error(`${folder} is there already, and must never change.`);
  const work = fs.mkdtempSync(join(tmpdir(), "holdfast-known-answers-"));
  try {
    const made = join(work, "repository");
    const seed = systemRandomness(Buffer.alloc(32));
    const repository = await makeRepository(made, suite, seed);
    await backUp(repository, source, "first");
    fs.writeFileSync(join(source, "added later"), Buffer.alloc(3000, "added "));
    settle(source);
    await backUp(repository, source, "second");
    fs.rmSync(join(source, "added later"));
    settle(source);
    const { damaged } = await verifyRepository(repository, { readData: true });
    if (damaged.length > 0) throw new Error(`The engine finds damage: ${JSON.stringify(damaged)}`);
    const bytes = sizeOf(made);
    if (bytes > REPOSITORY_BYTES_MAX) throw new Error(`${suite.name} has ${String(bytes)} bytes.`);
    const isEncrypted = suite !== SUITE_NONE;
    const expected = expectedOf(made, isEncrypted ? Buffer.from(PASSPHRASE) : undefined);
    fs.mkdirSync(folder, { recursive: true });
    fs.cpSync(made, join(folder, "repository"), { recursive: true });
    fs.writeFileSync(join(folder, "expected.json"), `${JSON.stringify(expected, undefined, 2)}\n`);
    if (isEncrypted) {
      fs.writeFileSync(join(folder, "key.txt"), `${PASSPHRASE}\n`);
      fs.writeFileSync(join(folder, "recovery.txt"), formatRecoveryKey(seed));
    }
    process.stdout.write(`${suite.name}: ${String(bytes)} bytes\n`);
  } finally {
    fs.rmSync(work, { recursive: true });
  }
}

async function main(): Promise<void> {
  const scratch = fs.mkdtempSync(join(tmpdir(), "holdfast-known-answers-"));
  try {
    for (const suite of SUITES) {
      const source = join(scratch, suite.name);
      // Nodes take many entries, and are the same with every suite: some of the answers have them.
      const manyPages = suite.keyBits === 256;
      const tree = { seed: "known answers", largeBytes: LARGE_BYTES, manyPages, compressible: true };
      writeSampleTree(source, tree);
      await addSpecialFiles(source);
      await makeKnownAnswer(suite, source);
    }
  } finally {
    fs.rmSync(scratch, { recursive: true });
  }
}

await main();
