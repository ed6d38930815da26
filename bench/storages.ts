/**
 * Measures Holdfast on remote storages against each protocol's own tool, on the same server of this machine and in turns:
 * `npm run bench:storages -- [--kinds LIST] [--runs 5] [--bytes 1GiB] [--content noise|image|tree] [--latency MS] [--dir FOLDER]
 * [--clients LIST]`.
 * Writes JSON lines and Markdown tables to bench/results/. `--report FILE...` makes the tables of earlier runs anew.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { arch, availableParallelism, cpus, release, tmpdir, totalmem } from "node:os";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import { hasText, parseJson } from "./json.ts";
import { measure } from "./measure.ts";
import { defaultCacheDirectory, folder, repositoryRoot } from "./places.ts";
import { provideTime } from "./programs.ts";
import { run } from "./shell.ts";
import { type MachineRecord, renderTables, type StorageRecord } from "./storages/figures.ts";
import { azure } from "./storages/azure.ts";
import { rcloneVersion } from "./storages/rclone.ts";
import { resticVersion } from "./storages/restic.ts";
import { s3 } from "./storages/s3.ts";
import { type Client, type Kind, kindNames, type Place } from "./storages/service.ts";
import { sftp, sshVersion } from "./storages/sftp.ts";
import { smbEncrypted, smbSigned, smbVersion } from "./storages/smb.ts";
import { type Content, contents, makeSource } from "./storages/source.ts";
import { curlVersion, webdav } from "./storages/webdav.ts";

const KINDS: readonly Kind[] = [sftp, s3, azure, webdav, smbSigned, smbEncrypted];

/** The others need some minutes for 256 MiB of small files, and are measured once. */
const REPEATED_WITH_TREES: readonly string[] = ["holdfast", "restic"];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    kinds: { type: "string", default: kindNames.join(",") },
    clients: { type: "string", default: "" },
    runs: { type: "string", default: "5" },
    bytes: { type: "string", default: "1GiB" },
    content: { type: "string", default: "noise" },
    latency: { type: "string", default: "0" },
    dir: { type: "string", default: tmpdir() },
    report: { type: "boolean", default: false },
  },
});

if (values.report) console.log(renderTables(positionals.flatMap(readRecords)));
else await measureStorages();

async function measureStorages(): Promise<void> {
  const kinds = chosenKinds(values.kinds.split(",")).filter(isThere);
  mkdirSync(values.dir, { recursive: true });
  const work = mkdtempSync(join(values.dir, "holdfast-bench-"));
  process.once("exit", () => rmSync(work, { recursive: true, force: true }));
  // The servers keep their files where everybody's temporary ones are; www-data has to get there.
  run("chmod", ["755", work]);
  process.env["TMPDIR"] = folder(work, "servers");
  const bytes = parseBytes(values.bytes);
  const content = contents.find((name) => name === values.content);
  if (content === undefined) throw new Error(`--content ${values.content}: say ${contents.join(", ")}`);
  makeSource(join(work, "source"), bytes, content);
  const stamp = new Date().toISOString().replaceAll(":", "");
  const file = join(folder(repositoryRoot, "bench/results"), `storages-${stamp}`);
  const records: StorageRecord[] = [];
  const report = (record: StorageRecord): void => {
    records.push(record);
    appendFileSync(`${file}.jsonl`, `${JSON.stringify(record)}\n`);
    if (record.record === "transfer") console.error(JSON.stringify(record));
  };
  report(describeMachine(bytes, content, Number(values.latency)));
  for (let index = 0; index < Number(values.runs); index += 1) {
    for (const kind of kinds) {
      try {
        await measureKind(kind, index, work, report);
      } catch (error) {
        tellFailure(`${kind.name}, run ${String(index)}`, error);
      }
    }
  }
  const tables = renderTables(records);
  writeFileSync(`${file}.md`, tables);
  console.log(tables);
}

/** A name, or the beginning of several up to a hyphen: `smb`. */
function chosenKinds(names: readonly string[]): readonly Kind[] {
  for (const name of names) {
    if (!KINDS.some((kind) => isNamed(kind, name)))
      throw new Error(`--kinds ${name}: say ${kindNames.join(", ")}`);
  }
  return KINDS.filter((kind) => names.some((name) => isNamed(kind, name)));
}

function isNamed({ name }: Kind, asked: string): boolean {
  return name === asked || name.startsWith(`${asked}-`);
}

function tellFailure(what: string, error: unknown): void {
  console.error(`${what}: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}

function isThere({ name, missing }: Kind): boolean {
  const reason = missing();
  if (reason !== undefined) console.error(`${name} is left out: ${reason}`);
  return reason === undefined;
}

/** A fresh server for each run: what one run left in its memory or on its disk does not slow the next one. */
async function measureKind(
  kind: Kind,
  index: number,
  work: string,
  report: (record: StorageRecord) => void,
): Promise<void> {
  await using service = await kind.start(work);
  await using line = await startLine(service.port, Number(values.latency));
  const all = service.clients(line.port, `run${String(index)}`);
  const chosen = all
    .filter(({ name }) => values.clients === "" || values.clients.split(",").includes(name))
    .filter(({ handles }) => handles === undefined || handles.some((one) => one === values.content))
    .filter(({ name }) => index === 0 || values.content !== "tree" || REPEATED_WITH_TREES.includes(name));
  for (let turn = 0; turn < chosen.length; turn += 1) {
    const client = chosen[(index + turn) % chosen.length];
    if (client === undefined) continue;
    try {
      measureClient(kind, client, index, work, report);
    } catch (error) {
      tellFailure(`${kind.name}, ${client.name}, run ${String(index)}`, error);
    }
  }
}

function measureClient(
  kind: Kind,
  client: Client,
  index: number,
  work: string,
  report: (record: StorageRecord) => void,
): void {
  const time = provideTime(defaultCacheDirectory);
  const place: Place = {
    source: join(work, "source"),
    target: folder(work, "target"),
    scratch: folder(work, "scratch"),
  };
  const about = { record: "transfer", kind: kind.name, client: client.name, run: index } as const;
  try {
    for (const command of client.prepare(place)) measure(command, time, place.scratch);
    report({ ...about, direction: "up", ...measure(client.upload(place), time, place.scratch) });
    report({ ...about, direction: "down", ...measure(client.download(place), time, place.scratch) });
    checkCameBack(place);
  } finally {
    for (const path of [place.target, place.scratch]) rmSync(path, { recursive: true, force: true });
  }
}

/** Holdfast and restic repeat the source's path below the target, sftp its name. */
function checkCameBack({ source, target }: Place): void {
  const candidates = [join(target, source), join(target, basename(source)), target];
  run("diff", ["-r", source, candidates.find((path) => existsSync(path)) ?? target]);
}

interface Line extends AsyncDisposable {
  readonly port: number;
}

async function startLine(port: number, latencyMs: number): Promise<Line> {
  if (latencyMs === 0) return { port, [Symbol.asyncDispose]: async () => undefined };
  const program = join(repositoryRoot, "bench/delay-proxy.ts");
  const proxy = spawn(process.execPath, [program, String(port), String(latencyMs / 2)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  process.once("exit", () => proxy.kill());
  const reached = await new Promise<number>((resolve) => {
    proxy.stdout.once("data", (text: Buffer) => resolve(Number(text.toString())));
  });
  return { port: reached, [Symbol.asyncDispose]: () => end(proxy) };
}

async function end(child: ChildProcess): Promise<void> {
  const ended = once(child, "exit");
  child.kill();
  await ended;
}

function describeMachine(bytes: number, content: Content, latencyMs: number): MachineRecord {
  const versions = {
    OpenSSH: sshVersion(),
    rclone: rcloneVersion(),
    curl: curlVersion(),
    smbclient: smbVersion(),
    restic: resticVersion(),
  };
  const known = Object.entries(versions).flatMap(([name, version]) =>
    version === undefined ? [] : [[name, version] as const],
  );
  return {
    record: "machine",
    cpu: cpus()[0]?.model ?? arch(),
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    kernel: release(),
    node: process.version,
    versions: Object.fromEntries(known),
    bytes,
    content,
    latencyMs,
  };
}

function parseBytes(text: string): number {
  const [, digits, unit = ""] = /^(\d+)(MiB|GiB)?$/.exec(text) ?? [];
  const bytes = Number(digits) * ({ MiB: 2 ** 20, GiB: 2 ** 30 }[unit] ?? 1);
  if (Number.isSafeInteger(bytes) && bytes > 0) return bytes;
  throw new Error(`--bytes ${text}: say a number, with MiB or GiB behind it if it is of those`);
}

function readRecords(path: string): StorageRecord[] {
  const lines = readFileSync(path, "utf8").trim().split("\n");
  return lines.map((line) => parseJson(line, isRecord));
}

function isRecord(value: unknown): value is StorageRecord {
  return hasText(value, "record");
}
