/**
 * Downloads of copies, with a real service and real agents.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createWriteStream, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import { join } from "node:path";
import process from "node:process";
import { pipeline } from "node:stream/promises";
import { suite, test } from "node:test";
import { createZstdDecompress } from "node:zlib";
import {
  AGENT_SERVER_NAME,
  auditRow,
  browsePage,
  pageOf,
  problem,
  task,
  type TaskView,
  UPLOAD_SUBPROTOCOL,
  UPLOADS_PATH,
} from "@holdfast/protocol";
import { newPostgresDatabase } from "../../apps/service/test/postgres-databases.ts";
import { postgresMissing } from "../../apps/service/test/postgres-server.ts";
import { startSite, until } from "./copy-site.ts";
import type { Scene } from "./scene.ts";

function downloadPath(copy: string, fields: Readonly<Record<string, string>>): string {
  return `/copies/${copy}/download?${new URLSearchParams(fields).toString()}`;
}

async function bytesOf(response: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of response) {
    assert(Buffer.isBuffer(piece));
    pieces.push(piece);
  }
  assert(response.complete);
  return Buffer.concat(pieces);
}

/** Reads an answer that must not end well. */
async function brokenOff(response: IncomingMessage): Promise<void> {
  await assert.rejects(async () => {
    for await (const _ of response);
  });
  assert(!response.complete);
}

async function lastDownload({ api }: Scene): Promise<TaskView> {
  const { items } = pageOf(task).parse(await api.ok("GET", "/tasks?kind=download&limit=1"));
  const [newest] = items;
  assert(newest !== undefined);
  return newest;
}

function endOfDownload(scene: Scene): Promise<string> {
  return until(async () => {
    const { state } = await lastDownload(scene);
    return state === "queued" || state === "running" ? undefined : state;
  }, "the download did not end");
}

const ODD_NAMES = [
  "quo\"te's;=,.txt",
  "new\nline",
  "\u202egnp.exe",
  String.raw`..\..\evil`,
  "100%.txt",
  "naïve 文書.pdf",
  ".hidden",
];
const NO_UTF8 = Buffer.from([0x63, 0x61, 0x66, 0xe9, 0x2e, 0x74, 0x78, 0x74]);

function fillOdd(source: string): void {
  const folder = join(source, "odd");
  mkdirSync(folder);
  for (const name of ODD_NAMES) writeFileSync(join(folder, name), `content of ${name}`);
  writeFileSync(Buffer.concat([Buffer.from(`${folder}/`), NO_UTF8]), "content of no text");
  symlinkSync("100%.txt", join(folder, "link"));
  writeFileSync(join(source, "page.html"), "<script>alert(1)</script>");
  writeFileSync(join(source, "empty"), "");
}

suite("downloads", () => {
  test("of files with any name, of parts, and of folders as archives", {
    timeout: 300_000,
  }, async (context) => {
    const site = await startSite(context, fillOdd);
    const { api, bench, source } = site;
    const copy = await site.backUp();
    const folder = `${source}/odd`;
    const { entries } = browsePage.parse(
      await api.ok("GET", `/copies/${copy}/entries?${new URLSearchParams({ path: folder }).toString()}`),
    );
    for (const { name, kind, pathBytes } of entries.filter((entry) => entry.kind === "file")) {
      const place = pathBytes === undefined ? { path: `${folder}/${name}` } : { pathBytes };
      const response = await api.open(downloadPath(copy, place));
      const content = (await bytesOf(response)).toString("utf8");
      assert.equal(response.statusCode, 200, content);
      assert.equal(content, pathBytes === undefined ? `content of ${name}` : "content of no text", kind);
      assert.equal(response.headers["content-length"], String(Buffer.byteLength(content)));
      assert.equal(response.headers["content-type"], "application/octet-stream");
      assert.equal(response.headers["x-content-type-options"], "nosniff");
      const disposition = response.headers["content-disposition"] ?? "";
      assert.match(
        disposition,
        /^attachment; filename="[A-Za-z0-9 ._-]+"; filename\*=UTF-8''[A-Za-z0-9%._~!#$&+^`|-]+$/u,
      );
      assert(!decodeURIComponent(disposition).includes("\u202e"), disposition);
    }
    assert.equal(entries.filter(({ kind }) => kind === "file").length, ODD_NAMES.length + 1);
    assert.equal(entries.filter(({ pathBytes }) => pathBytes !== undefined).length, 1);

    assert.equal((await bytesOf(await api.open(downloadPath(copy, { path: `${source}/empty` })))).length, 0);
    const page = downloadPath(copy, { path: `${source}/page.html` });
    const part = await api.open(page, { range: "bytes=1-6" });
    assert.equal(part.statusCode, 206);
    assert.equal(part.headers["content-range"], "bytes 1-6/25");
    assert.equal((await bytesOf(part)).toString(), "script");
    const other = await api.open(page, { range: "bytes=1-6", "if-range": '"another"' });
    assert.equal(other.statusCode, 200);
    assert.equal((await bytesOf(other)).length, 25);

    const zip = bench.path("odd.zip");
    const archive = await api.open(downloadPath(copy, { path: folder }));
    assert.match(archive.headers["content-disposition"] ?? "", /filename="odd\.zip"/u);
    await pipeline(archive, createWriteStream(zip));
    assert.match(execFileSync("unzip", ["-tq", zip], { encoding: "utf8" }), /No errors/u);
    const names = execFileSync("unzip", ["-Z1", zip], { encoding: "utf8", env: { LC_ALL: "C.UTF-8" } });
    assert(
      names.split("\n").every((name) => name === "" || name.startsWith("odd/")),
      names,
    );

    const tar = bench.path("odd.tar");
    const packed = await api.open(downloadPath(copy, { path: folder, archive: "tar" }));
    await pipeline(packed, createZstdDecompress(), createWriteStream(tar));
    mkdirSync(bench.path("unpacked"));
    execFileSync("tar", ["-xf", tar, "-C", bench.path("unpacked")]);
    execFileSync("diff", ["-r", "--no-dereference", folder, bench.path("unpacked", "odd")]);

    const bytesOfPath = (path: string): string => Buffer.from(path.slice(1)).toString("base64url");
    const several = {
      path: `${source}/page.html`,
      also: [`${folder}/100%.txt`, `${folder}/link`, `${source}/page.html`].map(bytesOfPath).join(","),
    };
    const selected = await api.open(downloadPath(copy, { ...several, archive: "tar" }));
    assert.equal(selected.headers["accept-ranges"], undefined);
    await pipeline(selected, createZstdDecompress(), createWriteStream(tar));
    const listed = execFileSync("tar", ["-tf", tar], { encoding: "utf8" });
    assert.deepEqual(listed.split("\n"), ["odd/100%.txt", "odd/link", "page.html", ""]);
    const missing = { ...several, also: bytesOfPath(`${source}/nothing`) };
    const incomplete = await api.open(downloadPath(copy, missing));
    assert.equal(incomplete.statusCode, 404);
    incomplete.resume();

    for (const [path, status, code] of [
      [`${source}/nothing`, 404, "ERR_PATH_NOT_FOUND"],
      [`${folder}/link`, 422, "ERR_UNSUPPORTED"],
      [`${source}/../../etc/passwd`, 404, "ERR_PATH_NOT_FOUND"],
    ] as const) {
      const response = await api.open(downloadPath(copy, { path }));
      assert.equal(response.statusCode, status);
      assert.equal(problem.parse(JSON.parse((await bytesOf(response)).toString())).code, code);
    }
    const crossSite = await api.open(page, { "sec-fetch-site": "cross-site" });
    assert.equal(crossSite.statusCode, 403);
    crossSite.resume();

    const { items } = pageOf(auditRow).parse(await api.ok("GET", "/audit?action=copy.download&limit=200"));
    assert(items.some(({ details }) => JSON.stringify(details).includes(JSON.stringify(folder))));
  });

  test("pass in little memory, and end where they are cut", { timeout: 600_000 }, async (context) => {
    const bytes = 200 * 1024 * 1024;
    const hash = createHash("sha256");
    const site = await startSite(context, (source) => {
      const fd = join(source, "big");
      const pieces = Array.from({ length: 8 }, () => randomBytes(1024 * 1024));
      const all = Buffer.concat(
        Array.from({ length: bytes / 1024 / 1024 }, (_, at) => mixed(pieces[at % 8], at)),
      );
      hash.update(all);
      writeFileSync(fd, all);
    });
    const expected = hash.digest("hex");
    const { api, source } = site;
    const copy = await site.backUp();
    const path = downloadPath(copy, { path: `${source}/big` });

    const before = peakKiB(site.servicePid());
    const whole = createHash("sha256");
    const response = await api.open(path);
    assert.equal(response.headers["content-length"], String(bytes));
    await pipeline(response, whole);
    assert.equal(whole.digest("hex"), expected);
    assert.equal(await endOfDownload(site), "succeeded");
    if (before !== undefined) {
      const grownKiB = (peakKiB(site.servicePid()) ?? 0) - before;
      assert(grownKiB < 100 * 1024, `the service grew by ${String(grownKiB)} KiB`);
    }

    // Nobody else can send bytes for a run, and its own device only once.
    const slow = await api.open(path);
    await once(slow, "readable");
    const { run } = await lastDownload(site);
    await site.addAgent("two");
    assert.equal(await tryUpload(site, String(run), "two"), 409);
    assert.equal(await tryUpload(site, String(run), "one"), 409);
    assert.equal(await tryUpload(site, String(run), undefined), 401);

    // Whoever asked goes away.
    slow.destroy();
    assert.equal(await endOfDownload(site), "cancelled");

    // Somebody cancels the task.
    const cancelled = await api.open(path);
    await once(cancelled, "readable");
    const { id } = await lastDownload(site);
    await api.ok("POST", `/tasks/${id}/cancel`, undefined);
    await brokenOff(cancelled);
    assert.equal(await endOfDownload(site), "cancelled");

    // The device dies.
    const dying = await api.open(path);
    await once(dying, "readable");
    await site.killAgent("one");
    await brokenOff(dying);
    site.restartAgent("one");
    assert.equal(await endOfDownload(site), "failed");

    // And nothing is left that would be in the way of the next.
    const last = await api.open(path, { range: "bytes=1048576-1048577" });
    assert.equal(last.statusCode, 206);
    assert.equal((await bytesOf(last)).length, 2);
  });
});

suite("several processes of the service", { skip: postgresMissing }, () => {
  test("get what they asked for from devices that are with another one", {
    timeout: 300_000,
  }, async (context) => {
    await using own = await newPostgresDatabase();
    const database = ["--database", own.url];
    const site = await startSite(context, (source) => writeFileSync(join(source, "a"), "content"), database);
    const path = downloadPath(await site.backUp(), { path: `${site.source}/a` });
    const another = await site.anotherService();
    for (const api of [another, site.api, another]) {
      const response = await api.open(path);
      assert.equal((await bytesOf(response)).toString("utf8"), "content");
    }
    const { input } = await lastDownload(site);
    assert(JSON.stringify(input).includes('"uploadTo":"https://127.0.0.1:'), JSON.stringify(input));
  });
});

function mixed(piece: Buffer | undefined, number: number): Buffer {
  const copy = Buffer.from(piece ?? Buffer.alloc(0));
  for (let at = 0; at < copy.length; at += 4096) copy.writeUInt32LE((number * 2_654_435_761 + at) >>> 0, at);
  return copy;
}

/** Undefined where the system does not tell. */
function peakKiB(pid: number): number | undefined {
  if (process.platform !== "linux") return undefined;
  return Number(/^VmHWM:\s+(\d+) kB$/mu.exec(readFileSync(`/proc/${String(pid)}/status`, "utf8"))?.[1]);
}

/** Opens an upload as a device that has its certificate, or without one; returns the status of the answer. */
async function tryUpload(
  { bench, api, url }: Scene,
  run: string,
  agent: string | undefined,
): Promise<number> {
  const identity = agent === undefined ? {} : identityOf(bench.path(`agent-${agent}`));
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const asked = request(new URL(`${UPLOADS_PATH}${run}`, url), {
    ca: api.authority,
    servername: AGENT_SERVER_NAME,
    agent: false,
    ...identity,
    headers: {
      connection: "Upgrade",
      upgrade: "websocket",
      "sec-websocket-version": "13",
      "sec-websocket-key": randomBytes(16).toString("base64"),
      "sec-websocket-protocol": UPLOAD_SUBPROTOCOL,
    },
  });
  asked.on("response", (response) => {
    response.resume();
    resolve(response.statusCode ?? 0);
  });
  asked.on("upgrade", (_, socket) => {
    socket.destroy();
    resolve(101);
  });
  asked.on("error", reject);
  asked.end();
  return promise;
}

function identityOf(folder: string): { readonly cert: string; readonly key: string } {
  const identity: { certificate?: unknown; key?: unknown } = JSON.parse(
    readFileSync(join(folder, "identity.json"), "utf8"),
  );
  const [certificate, key] = [String(identity.certificate), String(identity.key)];
  return { cert: certificate, key: readFileSync(join(folder, key), "utf8") };
}
