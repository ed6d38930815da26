/**
 * What anybody on the network can send to a service that runs: too much, too deep, too slowly, too often, of another protocol.
 * It is answered 4xx or cut; the memory of the service stays bounded, its log one event a line, and it goes on.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { suite, test } from "node:test";
import { connect, type TLSSocket } from "node:tls";
import { AGENT_SERVER_NAME, CHANNEL_PATH } from "@holdfast/protocol";
import { WebSocket } from "ws";
import { type Scene, startScene } from "../service/scene.ts";
import { boundedMemory, checkLog } from "./service-at-work.ts";

const MEBIBYTE = 1024 * 1024;
const CUT_MS = 90_000;

async function open(url: URL, servername?: string): Promise<TLSSocket> {
  const socket = connect({
    host: url.hostname,
    port: Number(url.port),
    rejectUnauthorized: false,
    ...(servername === undefined ? {} : { servername }),
  });
  socket.on("error", () => {});
  await once(socket, "secureConnect");
  return socket;
}

/** Also where it ends by an error. */
async function closed(socket: TLSSocket): Promise<void> {
  if (socket.destroyed) return;
  // Its end is not seen before what came is read.
  socket.resume();
  await new Promise((resolve) => {
    socket.once("close", resolve);
  });
}

/** What comes back until the other side ends it. */
async function answerOf(socket: TLSSocket): Promise<string> {
  let text = "";
  socket.on("data", (piece: Buffer) => {
    if (text.length < 10_000) text += piece.toString("latin1");
  });
  await closed(socket);
  return text;
}

async function exchange(url: URL, request: string | Buffer): Promise<string> {
  const socket = await open(url);
  const answer = answerOf(socket);
  socket.write(request);
  return answer;
}

const head = (line: string, ...headers: string[]): string =>
  [line, "Host: x", "Connection: close", ...headers, "", ""].join("\r\n");

const JSON_TYPE = "Content-Type: application/json";

function post(path: string, body: string): string {
  const length = `Content-Length: ${String(Buffer.byteLength(body))}`;
  return `${head(`POST ${path} HTTP/1.1`, JSON_TYPE, length)}${body}`;
}

const deep = (depth: number): string => `${"[".repeat(depth)}${"]".repeat(depth)}`;
const SIGN_IN = "/api/v1/session";

/** Each is answered with this status, or one of 400 to 499, or cut. */
const REQUESTS: readonly (readonly [name: string, request: string, status?: number])[] = [
  ["no HTTP", "\u0016\u0003\u0001garbage\r\n\r\n"],
  ["a line that never ends", `GET /${"x".repeat(200_000)}`],
  ["a header of 1 MiB", head("GET /healthz HTTP/1.1", `X-Big: ${"x".repeat(MEBIBYTE)}`)],
  [
    "50,000 headers",
    head("GET /api/v1/plans HTTP/1.1", ...Array.from({ length: 50_000 }, (_, n) => `X-${String(n)}: 1`)),
  ],
  ["a body above the limit", post(SIGN_IN, `{"name":"${"x".repeat(2 * MEBIBYTE)}"}`)],
  [
    "a body that claims to be larger",
    head(`POST ${SIGN_IN} HTTP/1.1`, JSON_TYPE, "Content-Length: 99999999999"),
    413,
  ],
  [
    "a body that claims to be above the limit",
    head(`POST ${SIGN_IN} HTTP/1.1`, JSON_TYPE, `Content-Length: ${String(2 * MEBIBYTE)}`),
    413,
  ],
  [
    "two lengths",
    `${head(`POST ${SIGN_IN} HTTP/1.1`, JSON_TYPE, "Content-Length: 2", "Content-Length: 3")}{}`,
  ],
  [
    "a length and chunks",
    `${head(`POST ${SIGN_IN} HTTP/1.1`, JSON_TYPE, "Content-Length: 2", "Transfer-Encoding: chunked")}0\r\n\r\n`,
  ],
  ["deep JSON", post(SIGN_IN, `{"name":${deep(200_000)}}`)],
  ["a long list", post(SIGN_IN, `{"name":[${"1,".repeat(400_000)}1]}`)],
  [
    "many fields",
    post(SIGN_IN, `{${Array.from({ length: 60_000 }, (_, n) => `"f${String(n)}":1`).join(",")}}`),
  ],
  ["deep JSON of an agent", post("/agent/v1/enroll", deep(30_000))],
  ["a large request of an agent", post("/agent/v1/enroll", `{"secret":"${"x".repeat(300_000)}"}`)],
  [
    "a body that is compressed",
    `${head(`POST ${SIGN_IN} HTTP/1.1`, JSON_TYPE, "Content-Encoding: gzip", "Content-Length: 2")}{}`,
  ],
  ["a line in a header's value", head("GET /api/v1/plans HTTP/1.1", "X-A: b\r\n c\u0001")],
  ["a path out of the documentation", head("GET /api/docs/static/../../../../../../etc/passwd HTTP/1.1")],
  ["the same, escaped", head("GET /api/docs/static/..%2f..%2f..%2f..%2fetc%2fpasswd HTTP/1.1")],
  ["the same, escaped twice", head("GET /api/docs/static/%252e%252e/%252e%252e/package.json HTTP/1.1")],
  ["backslashes", head("GET /api/docs/static/..\\..\\..\\package.json HTTP/1.1")],
  ["a NUL in a path", head("GET /api/docs/static/x%00.html HTTP/1.1")],
  ["a broken escape", head("GET /api/v1/plans/%E0%A4%A HTTP/1.1")],
  ["another method", head("TRACE /healthz HTTP/1.1")],
  ["CONNECT", head("CONNECT 127.0.0.1:22 HTTP/1.1")],
  ["another place", head("GET http://127.0.0.1:22/ HTTP/1.1")],
  [
    "an upgrade to something else",
    head("GET /x HTTP/1.1", "Upgrade: h2c").replace("Connection: close", "Connection: Upgrade"),
  ],
];

async function goesOn({ url, complaints }: Scene): Promise<void> {
  const answer = await exchange(new URL(url), head("GET /readyz HTTP/1.1"));
  assert.match(answer, /^HTTP\/1\.1 200 /u, complaints().slice(-2000));
}

suite("a service that anybody can reach", {
  skip: process.platform === "linux" ? false : "reads /proc",
}, () => {
  test("takes nothing that is too much, and goes on", { timeout: 300_000 }, async (context) => {
    const scene = await startScene(context, ["--no-worker"]);
    const url = new URL(scene.url);
    const bounded = boundedMemory(scene.servicePid());
    for (const [name, request, status] of REQUESTS) {
      // oxlint-disable-next-line no-await-in-loop -- so that the one that does harm is known
      const answer = await exchange(url, request);
      assert(answer === "" || /^HTTP\/1\.1 4\d\d /u.test(answer), `${name}: ${answer.slice(0, 400)}`);
      assert(
        !/root:x:|"workspaces"|\bat .+\.ts:\d/u.test(answer),
        `${name} shows a file: ${answer.slice(0, 400)}`,
      );
      // Before anything of it was read.
      if (status !== undefined) assert.match(answer, new RegExp(`^HTTP/1\\.1 ${String(status)} `, "u"), name);
      await goesOn(scene);
      bounded(name);
    }

    // More connections than anybody needs, which say nothing or drip: others are served meanwhile, and they are cut.
    const idle = await Promise.all(Array.from({ length: 200 }, () => open(url)));
    const slow = idle.slice(0, 100);
    for (const socket of slow) socket.write(`POST ${SIGN_IN} HTTP/1.1\r\nHost: x\r\n`);
    await goesOn(scene);
    bounded("200 connections");
    const dripping = setInterval(() => {
      for (const socket of slow) if (!socket.destroyed) socket.write("X-A: b\r\n");
    }, 1000);
    const all = Promise.all(idle.map(closed));
    const cut = await Promise.race([
      all,
      new Promise((resolve) => setTimeout(resolve, CUT_MS, "late").unref()),
    ]);
    clearInterval(dripping);
    assert.notEqual(
      cut,
      "late",
      `${String(idle.filter((socket) => !socket.destroyed).length)} are still open`,
    );
    await goesOn(scene);

    // WebSockets: not without a certificate, and nobody agrees to decompress.
    for (const path of [CHANNEL_PATH, "/", "/api/v1/live"]) {
      const options = { rejectUnauthorized: false, servername: AGENT_SERVER_NAME, perMessageDeflate: true };
      const socket = new WebSocket(`wss://${url.host}${path}`, "holdfast.agent.1", options);
      socket.on("error", () => {});
      const [, response] = await once(socket, "unexpected-response");
      assert([401, 404].includes(response.statusCode), `${path}: ${String(response.statusCode)}`);
      socket.terminate();
    }
    await goesOn(scene);
    bounded("everything");
    checkLog(scene);
  });
});
