/** The WebDAV driver with servers that are odd, old, broken or hostile. */
import assert from "node:assert/strict";
import type { IncomingMessage, ServerResponse } from "node:http";
import { suite, test } from "node:test";
import { type ErrorCode, isAppError } from "@holdfast/kernel";
import { openWebdav, type WebdavOptions } from "../src/webdav/webdav-driver.ts";
import { type StubServer, startStubServer } from "./servers/stub-http.ts";

type Answer = (request: IncomingMessage, response: ServerResponse, body: Buffer) => boolean;

const signal = new AbortController().signal;
const DATE = "Sun, 06 Nov 1994 08:49:37 GMT";

function multistatus(...responses: readonly string[]): string {
  return `<?xml version="1.0"?><D:multistatus xmlns:D="DAV:">${responses.join("")}</D:multistatus>`;
}

function entry(href: string, properties: string): string {
  return (
    `<D:response><D:href>${href}</D:href><D:propstat><D:prop>${properties}</D:prop>` +
    `<D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>`
  );
}

const folder = (href: string, extra = ""): string =>
  entry(href, `<D:resourcetype><D:collection/></D:resourcetype>${extra}`);
const file = (href: string, size: number): string =>
  entry(
    href,
    `<D:resourcetype/><D:getcontentlength>${String(size)}</D:getcontentlength><D:getlastmodified>${DATE}</D:getlastmodified>`,
  );

function send(response: ServerResponse, status: number, body: string | Buffer = "", headers = {}): true {
  response.writeHead(status, headers).end(body);
  return true;
}

/** A server whose base folder `/b/` is there; everything else is as `answer` says, else missing. */
async function stub(answer: Answer, hasty = false): Promise<StubServer> {
  return startStubServer((request, response, body) => {
    if (answer(request, response, body)) return;
    const base = request.method === "PROPFIND" && request.url === "/b/";
    if (base) send(response, 207, multistatus(folder("/b/")), { date: DATE });
    else send(response, 404);
  }, hasty);
}

async function open(server: StubServer, options: WebdavOptions = {}) {
  return openWebdav(`webdav://127.0.0.1:${String(server.port)}/b`, { idleTimeoutMs: 2000, ...options });
}

async function assertFails(code: ErrorCode, call: Promise<unknown>): Promise<void> {
  await assert.rejects(call, (error) => {
    assert(isAppError(error), String(error));
    assert.equal(error.code, code, error.message);
    return true;
  });
}

suite("webdav: reading from odd servers", () => {
  const bytes = Buffer.from("0123456789");

  test("one that ignores ranges is read from its start, and cut", async () => {
    await using server = await stub(({ method }, response) => method === "GET" && send(response, 200, bytes));
    await using driver = await open(server);
    assert.equal((await driver.get("x", { offset: 3, length: 4 }, signal)).toString(), "3456");
    assert.equal((await driver.get("x", { offset: 0, length: 10 }, signal)).toString(), "0123456789");
    await assertFails("ERR_DAMAGED", driver.get("x", { offset: 8, length: 3 }, signal));
  });

  test("one that ignores ranges and does not tell the length is too", async () => {
    await using server = await stub(({ method }, response) => {
      if (method !== "GET") return false;
      response.writeHead(200);
      for (const byte of bytes) response.write(Buffer.of(byte));
      response.end();
      return true;
    });
    await using driver = await open(server);
    assert.equal((await driver.get("x", undefined, signal)).toString(), "0123456789");
    assert.equal((await driver.get("x", { offset: 3, length: 4 }, signal)).toString(), "3456");
    await assertFails("ERR_DAMAGED", driver.get("x", { offset: 8, length: 3 }, signal));
  });

  test("one that never ends is left when there is enough, or too much", async () => {
    await using server = await stub(({ method }, response) => {
      if (method !== "GET") return false;
      response.writeHead(200);
      const more = Buffer.alloc(1024 * 1024, 7);
      const pump = (): void => {
        if (response.destroyed) return;
        if (response.write(more)) setImmediate(pump);
        else response.once("drain", pump);
      };
      pump();
      return true;
    });
    await using driver = await open(server);
    assert((await driver.get("x", { offset: 5, length: 3 }, signal)).equals(Buffer.alloc(3, 7)));
    await assertFails("ERR_STORAGE_FAILED", driver.get("x", undefined, signal));
    await assertFails("ERR_UNSUPPORTED", driver.get("x", { offset: 2 ** 40, length: 3 }, signal));
  });

  for (const [what, range, body] of [
    ["another range", "bytes 4-7/10", "4567"],
    ["a longer range", "bytes 3-9/10", "3456789"],
    ["a shorter range", "bytes 3-4/10", "34"],
    ["no range", "", "3456"],
    ["a range of nonsense", "bytes 3-6", "3456"],
    ["fewer bytes than told", "bytes 3-6/10", "345"],
  ] as const) {
    test(`one that gives ${what} is not believed`, async () => {
      await using server = await stub(
        ({ method }, response) =>
          method === "GET" && send(response, 206, body, range === "" ? {} : { "content-range": range }),
      );
      await using driver = await open(server);
      await assertFails("ERR_STORAGE_FAILED", driver.get("x", { offset: 3, length: 4 }, signal));
    });
  }

  test("one whose file ends early is damaged, however it says so", async () => {
    let part = true;
    await using server = await stub(({ method }, response) => {
      if (method !== "GET") return false;
      return part
        ? send(response, 206, "89", { "content-range": "bytes 8-9/10" })
        : send(response, 416, "", { "content-range": "bytes */10" });
    });
    await using driver = await open(server);
    await assertFails("ERR_DAMAGED", driver.get("x", { offset: 8, length: 3 }, signal));
    part = false;
    await assertFails("ERR_DAMAGED", driver.get("x", { offset: 12, length: 3 }, signal));
  });

  test("one that compresses on its own is refused", async () => {
    await using server = await stub(
      ({ method }, response) =>
        method === "GET" && send(response, 200, bytes, { "content-encoding": "gzip" }),
    );
    await using driver = await open(server);
    await assertFails("ERR_STORAGE_FAILED", driver.get("x", undefined, signal));
  });

  test("an answer that ends before its length is a cut connection", async () => {
    await using server = await stub(({ method }, response) => {
      if (method !== "GET") return false;
      response.writeHead(200, { "content-length": "10" });
      response.write("01234");
      setTimeout(() => response.destroy(), 20);
      return true;
    });
    await using driver = await open(server);
    await assertFails("ERR_STORAGE_UNREACHABLE", driver.get("x", undefined, signal));
  });

  test("a folder is no object, however the server says so", async () => {
    for (const [status, headers] of [
      [301, { location: "/b/x/" }],
      [302, { location: "http://elsewhere:99/b/x/" }],
      [405, {}],
      [501, {}],
    ] as const) {
      await using server = await stub(
        ({ method }, response) => method === "GET" && send(response, status, "", headers),
      );
      await using driver = await open(server);
      await assertFails("ERR_STORAGE_NOT_FOUND", driver.get("x", undefined, signal));
    }
  });

  test("redirects are not followed", async () => {
    await using server = await stub(
      ({ method }, response) =>
        method === "GET" && send(response, 302, "", { location: "http://127.0.0.1:1/elsewhere" }),
    );
    await using driver = await open(server);
    await assertFails("ERR_UNSUPPORTED", driver.get("x", undefined, signal));
  });
});

suite("webdav: listing odd servers", () => {
  const listing = (...responses: readonly string[]) =>
    stub(({ method, headers }, response) =>
      method === "PROPFIND" && headers["depth"] === "1"
        ? send(response, 207, multistatus(...responses))
        : false,
    );

  test("names that are no objects are left out, repeated ones counted once", async () => {
    await using server = await listing(
      folder("/b/"),
      file("/b/ok", 3),
      file("http://127.0.0.1/b/ok", 3),
      ...["UPPER", "a%20b", ".hidden", "%c3%a9", "tmp", "x".repeat(201)].map((name) => file(`/b/${name}`, 1)),
      folder("/b/tmp/"),
    );
    await using driver = await open(server);
    const page = await driver.list("", undefined, signal);
    assert.deepEqual(page, {
      objects: [{ name: "ok", size: 3, modifiedMs: Date.parse(DATE) }],
      next: undefined,
    });
  });

  test("what was not asked for is an error, not a shorter list", async () => {
    for (const other of [
      file("/other/ok", 3),
      file("/b/c/deep", 3),
      file("/b/../../etc", 3),
      folder("/"),
      file("/b/%2e%2e/x", 1),
    ]) {
      await using server = await listing(folder("/b/"), other);
      await using driver = await open(server);
      await assertFails("ERR_STORAGE_FAILED", driver.list("", undefined, signal));
    }
  });

  test("an object without size or time is an error", async () => {
    await using server = await listing(folder("/b/"), entry("/b/ok", "<D:resourcetype/>"));
    await using driver = await open(server);
    await assertFails("ERR_STORAGE_FAILED", driver.list("", undefined, signal));
  });

  test("an object that may not be seen is an error", async () => {
    await using server = await listing(
      folder("/b/"),
      "<D:response><D:href>/b/ok</D:href><D:status>HTTP/1.1 403 Forbidden</D:status></D:response>",
    );
    await using driver = await open(server);
    await assertFails("ERR_STORAGE_DENIED", driver.list("", undefined, signal));
  });

  test("an answer that is too long or no XML is an error", async () => {
    let body: string | Buffer = "<html>hello</html>";
    await using server = await stub(({ method, headers }, response) =>
      method === "PROPFIND" && headers["depth"] === "1" ? send(response, 207, body) : false,
    );
    await using driver = await open(server);
    await assertFails("ERR_STORAGE_FAILED", driver.list("", undefined, signal));
    body = Buffer.alloc(33 * 1024 * 1024, " ");
    await assertFails("ERR_STORAGE_FAILED", driver.list("", undefined, signal));
  });

  test("folders without end come in pages without end, and never more than so many", async () => {
    const names = Array.from({ length: 30_000 }, (_, index) => index.toString(36));
    await using server = await stub(({ method, headers, url = "" }, response) =>
      method === "PROPFIND" && headers["depth"] === "1"
        ? send(response, 207, multistatus(folder(url), ...names.map((name) => folder(`${url}${name}/`))))
        : false,
    );
    await using driver = await open(server, { idleTimeoutMs: 120_000 });
    const first = await driver.list("", undefined, signal);
    assert.equal(first.next?.split(",").length, 30_000);
    await assertFails("ERR_STORAGE_FAILED", driver.list("", first.next, signal));
  });
});

suite("webdav: storing on odd servers", () => {
  /** Takes everything, and remembers only sizes; `change` says what it makes of a size. */
  const taking = (change: (size: number) => number, move = 201) => {
    const sizes = new Map<string, number>();
    return stub(({ method, url = "", headers }, response, body) => {
      const at = url.replace(/\/$/, "");
      if (method === "MKCOL") return send(response, sizes.has(at) ? 405 : 201);
      if (method === "PUT") {
        sizes.set(url, change(body.length));
        return send(response, 201);
      }
      if (method === "DELETE") return send(response, sizes.delete(at) ? 204 : 404);
      if (method === "MOVE") {
        const size = sizes.get(url);
        if (size !== undefined && move < 300)
          sizes.set(new URL(String(headers["destination"])).pathname, size);
        return send(response, move);
      }
      const size = method === "PROPFIND" ? sizes.get(at) : undefined;
      return size !== undefined && send(response, 207, multistatus(file(url, size)));
    });
  };

  test("an object is created, with its parts in the right order", async () => {
    await using server = await taking((size) => size);
    await using driver = await open(server);
    assert.equal(await driver.put("packs/x", Buffer.alloc(10), undefined, signal), "created");
    const methods = server.requests.slice(1).map((request) => request.replace(/[0-9a-f]{32,}/, "*"));
    assert.deepEqual(methods.slice(0, 5), [
      "PROPFIND /b/tmp/",
      "MKCOL /b/tmp/",
      "MKCOL /b/packs/",
      "PUT /b/tmp/*",
      methods[4],
    ]);
    assert.deepEqual(methods.slice(4, 6).toSorted(), ["MKCOL /b/tmp/claim-*/", "PROPFIND /b/tmp/*"]);
    assert.deepEqual(methods.slice(6), ["PROPFIND /b/packs/x", "MOVE /b/tmp/*", "DELETE /b/tmp/claim-*/"]);
  });

  test("what did not arrive whole gets no name, and is removed", async () => {
    await using server = await taking((size) => size - 1);
    await using driver = await open(server);
    await assertFails("ERR_STORAGE_FAILED", driver.put("x", Buffer.alloc(10), undefined, signal));
    assert(!server.requests.some((request) => request.startsWith("MOVE")));
    assert(server.requests.some((request) => /^DELETE \/b\/tmp\/[0-9a-f]{32}$/.test(request)));
    assert(server.requests.some((request) => /^DELETE \/b\/tmp\/claim-[0-9a-f]{64}\/$/.test(request)));
  });

  for (const [status, code] of [
    [400, "ERR_STORAGE_FAILED"],
    [403, "ERR_STORAGE_DENIED"],
    [413, "ERR_STORAGE_DENIED"],
    [423, "ERR_STORAGE_FAILED"],
    [405, "ERR_UNSUPPORTED"],
    [408, "ERR_STORAGE_TIMEOUT"],
    [429, "ERR_STORAGE_THROTTLED"],
    [500, "ERR_STORAGE_FAILED"],
    [502, "ERR_STORAGE_UNREACHABLE"],
    [503, "ERR_STORAGE_THROTTLED"],
    [507, "ERR_STORAGE_FULL"],
  ] as const) {
    test(`status ${String(status)} is ${code}`, async () => {
      await using server = await stub(({ method }, response) => {
        if (method === "MKCOL") return send(response, 405);
        return method === "PUT" && send(response, status, "no", { "retry-after": "1" });
      });
      await using driver = await open(server);
      await assertFails(code, driver.put("x", Buffer.alloc(10), undefined, signal));
    });
  }

  test("an answer before the whole object was sent is heard", async () => {
    await using server = await stub(({ method }, response) => {
      if (method === "MKCOL") return send(response, 405);
      return method === "PUT" && send(response, 507);
    }, true);
    await using driver = await open(server);
    await assertFails("ERR_STORAGE_FULL", driver.put("x", Buffer.alloc(32 * 1024 * 1024), undefined, signal));
  });

  test("MOVE that finds the name taken is an object that exists, if it does", async () => {
    await using server = await taking((size) => size, 412);
    await using driver = await open(server);
    await assertFails("ERR_STORAGE_FAILED", driver.put("x", Buffer.alloc(10), undefined, signal));
  });
});

suite("webdav: opening odd servers", () => {
  test("a bearer token is sent, and asked for anew when refused", async () => {
    const tokens = ["old", "new"];
    let asked = 0;
    let valid = "old";
    await using server = await stub(
      ({ headers }, response) => headers.authorization !== `Bearer ${valid}` && send(response, 401),
    );
    const credentials = () => Promise.resolve({ bearer: tokens[asked++] ?? "none" });
    await using driver = await open(server, { credentials });
    valid = "new";
    await assertFails("ERR_STORAGE_CREDENTIALS", driver.stat("x", signal));
    assert.equal(await driver.stat("x", signal), null);
    assert.equal(asked, 2);
  });

  test("a login that nobody knows is unsupported; none at all is a want of credentials", async () => {
    await using server = await stub((_, response) =>
      send(response, 401, "", { "www-authenticate": "Negotiate" }),
    );
    const credentials = () => Promise.resolve({ user: "a", password: "b" });
    await assertFails("ERR_UNSUPPORTED", open(server, { credentials }));
    await assertFails("ERR_STORAGE_CREDENTIALS", open(server));
  });

  test("a server without WebDAV, without the folder, or with a file in its place is no storage", async () => {
    await using plain = await startStubServer((_, response) => send(response, 405));
    await assertFails("ERR_UNSUPPORTED", open(plain));
    await using empty = await startStubServer((_, response) => send(response, 404));
    await assertFails("ERR_STORAGE_MISSING", open(empty));
    await using other = await startStubServer((_, response) =>
      send(response, 207, multistatus(file("/b", 3))),
    );
    await assertFails("ERR_STORAGE_MISSING", open(other));
  });

  test("free space is known when the server tells it", async () => {
    let quota = "<D:quota-available-bytes>123456</D:quota-available-bytes>";
    await using server = await startStubServer((_, response) =>
      send(response, 207, multistatus(folder("/b/", quota))),
    );
    await using driver = await open(server);
    assert.equal(driver.capabilities.freeSpace, true);
    assert.equal(await driver.free(signal), 123_456);
    quota = "<D:quota-available-bytes>-3</D:quota-available-bytes>";
    await using unlimited = await open(server);
    assert.equal(unlimited.capabilities.freeSpace, false);
    assert.equal(await unlimited.free(signal), null);
  });

  test("a kept connection that the server closed meanwhile is no failure", async () => {
    const used = new WeakSet<object>();
    await using server = await stub(({ socket }) => {
      if (used.has(socket)) socket.resetAndDestroy();
      const again = used.has(socket);
      used.add(socket);
      return again;
    });
    await using driver = await open(server);
    for (let count = 0; count < 5; count += 1) assert.equal(await driver.stat("y", signal), null);
    const many = Array.from({ length: 20 }, () => driver.stat("y", signal));
    assert.deepEqual(new Set(await Promise.all(many)), new Set([null]));
  });
});
