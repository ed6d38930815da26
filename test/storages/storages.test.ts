/**
 * A repository on each kind of remote storage from its beginning to its end, by the real command and on a real server. Where a
 * server's programs are missing, its test is skipped and says so.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { suite, test, type TestContext } from "node:test";
import { type Bench, newBench, summaryOf } from "../../apps/command/test/run-holdfast.ts";
import { makeBucket } from "../../packages/storage/test/servers/s3-bucket.ts";
import { missingS3Programs, startS3Server } from "../../packages/storage/test/servers/s3-server.ts";
import { sshdMissing, startSftpServer } from "../../packages/storage/test/servers/sftp-server.ts";
import {
  SMB_USER,
  smbServerAbsence,
  startSmbServer,
} from "../../packages/storage/test/servers/smb-server.ts";
import { startWebdavServer, webdavServerMissing } from "../../packages/storage/test/servers/webdav-server.ts";
import { patternedBytes } from "./patterned-bytes.ts";

const LARGE_BYTES = 40_000_000;

interface Place {
  readonly url: string;
  readonly credentials: Readonly<Record<string, string>>;
}

function makeSource(bench: Bench): string {
  const source = bench.path("source");
  mkdirSync(`${source}/docs/deep`, { recursive: true });
  writeFileSync(`${source}/large`, patternedBytes(LARGE_BYTES));
  for (let number = 0; number < 300; number += 1) {
    writeFileSync(`${source}/docs/${String(number)}`, patternedBytes(number * 40));
  }
  writeFileSync(`${source}/docs/deep/empty`, "");
  return source;
}

/** Everything that the command does with a repository. */
async function useStorage(context: TestContext, { url, credentials }: Place): Promise<void> {
  const bench = newBench(context);
  const { ok, run, path } = bench;
  const source = makeSource(bench);
  const file = path("credentials.json");
  writeFileSync(file, JSON.stringify(credentials), { mode: 0o600 });
  const env = { HOLDFAST_CREDENTIALS_FILE: file };
  await ok(["init", url], { env });
  const first = summaryOf(await ok(["backup", url, source, "--json"], { env }));
  assert.equal(first["filesNew"], 302);
  writeFileSync(`${source}/docs/7`, "changed");
  const second = summaryOf(await ok(["backup", url, source, "--json"], { env }));
  assert(Number(second["bytesStored"]) < LARGE_BYTES / 4, String(second["bytesStored"]));
  assert.equal(summaryOf(await ok(["copies", url, "--json"], { env }))["event"], "summary");
  await ok(["restore", url, "latest", "--target", path("restored")], { env });
  execFileSync("diff", ["-r", source, path("restored", source)]);
  const verified = summaryOf(await ok(["verify", url, "--read-data", "--json"], { env }));
  assert.deepEqual(verified["damaged"], []);
  await ok(["forget", url, String(first["copyId"])], { env });
  await ok(["clean", url], { env });
  await ok(["replicate", url, path("replica")], { env });
  await ok(["verify", path("replica"), "--read-data"]);
  await ok(["forget", url, String(second["copyId"])], { env });
  assert(Number(summaryOf(await ok(["clean", url, "--json"], { env }))["bytesFreed"]) > LARGE_BYTES / 4);
  const wrong = path("wrong.json");
  writeFileSync(wrong, JSON.stringify({ ...credentials, ...spoiled(credentials) }), { mode: 0o600 });
  const refused = await run(["copies", url, "--credentials", wrong], { env });
  assert.equal(refused.exit, 6, refused.stderr);
  for (const secret of Object.values(credentials).filter((text) => !text.startsWith("/"))) {
    if (secret !== credentials["user"]) assert(!refused.stderr.includes(secret), refused.stderr);
  }
}

/** The same credentials with a wrong secret; a key file is named that is not there. */
function spoiled(credentials: Readonly<Record<string, string>>): Record<string, string> {
  const secret = ["password", "secretAccessKey", "keyFile"].find((name) => name in credentials) ?? "password";
  return { [secret]: secret === "keyFile" ? "/nowhere/key" : "wrong" };
}

const SKIP_S3 = missingS3Programs();

suite("a repository by the command", () => {
  test("on an SFTP server", { skip: sshdMissing, timeout: 300_000 }, async (context) => {
    await using server = await startSftpServer();
    const [, key] = server.hostKey;
    const digest = execFileSync("openssl", ["dgst", "-sha256", "-binary"], {
      input: Buffer.from(key, "base64"),
    });
    const fingerprint = `SHA256:${digest.toString("base64").replace(/=+$/u, "")}`;
    const url = `${server.url(`${server.folder}/repository`)}?fingerprint=${fingerprint}`;
    await useStorage(context, { url, credentials: { keyFile: server.keyFile } });
  });

  test("on a WebDAV server", { skip: webdavServerMissing, timeout: 300_000 }, async (context) => {
    await using server = await startWebdavServer({ tls: true, authentication: "basic" });
    await server.setUser("alice", "first secret");
    const ca = `${server.files}/../authority-of-test.pem`;
    writeFileSync(ca, server.authority.pem);
    const url = `${server.url("repository")}?ca=${encodeURIComponent(ca)}`;
    await useStorage(context, { url, credentials: { user: "alice", password: "first secret" } });
  });

  test("on an SMB server", { skip: smbServerAbsence() ?? false, timeout: 300_000 }, async (context) => {
    await using server = await startSmbServer(["smb encrypt = required"]);
    const url = `smb://127.0.0.1:${String(server.port)}/storage/repository?encrypt=required`;
    await useStorage(context, { url, credentials: { user: SMB_USER, password: server.password } });
  });

  const skip = SKIP_S3.length > 0 ? `needs ${SKIP_S3.join(", ")}` : false;
  test("on an S3 server", { skip, timeout: 300_000 }, async (context) => {
    await using server = await startS3Server();
    const { accessKeyId, secretAccessKey } = await server.addUser("backup");
    const endpoint = `${server.secureEndpoint}&ca=${encodeURIComponent(server.caFile)}`;
    const url = `s3://holdfast-command/repository?region=default&endpoint=${endpoint}`;
    await makeBucket(server.endpoint, "holdfast-command", { accessKeyId, secretAccessKey });
    await useStorage(context, { url, credentials: { accessKeyId, secretAccessKey } });
  });
});
