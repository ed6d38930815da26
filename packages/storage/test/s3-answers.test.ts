/** The S3 driver against servers that answer oddly, late, too much or not at all. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer as createNetServer, type Socket } from "node:net";
import { suite, test } from "node:test";
import { isAppError } from "@holdfast/kernel";
import { openS3 } from "../src/s3/open-s3.ts";
import { bench, credentials, hasCode, MEBIBYTE, never, put, SECRET } from "./s3-bench.ts";
import { type Script, sendError, sendXml, startScriptedS3, summary } from "./servers/scripted-s3.ts";

suite("S3: answers to a put", () => {
  test("a refusal comes before the bytes are sent", async () => {
    let bytes = 0;
    await using made = await bench((request, response) => {
      if (summary(request) !== "PUT /bucket/folder/a") return false;
      request.on("data", (data: Buffer) => {
        bytes += data.length;
      });
      return sendError(response, 412, "PreconditionFailed");
    });
    assert.equal(await put(made.driver, "a", 32 * MEBIBYTE), "exists");
    assert.equal(bytes, 0);
  });

  test("a server that does not say 100 Continue gets the bytes nevertheless", async () => {
    let bytes = 0;
    await using made = await bench((request, response) => {
      if (summary(request) !== "PUT /bucket/folder/a") return false;
      request.on("data", (data: Buffer) => {
        bytes += data.length;
      });
      request.on("end", () => response.end());
      return true;
    });
    assert.equal(await put(made.driver, "a", 2 * MEBIBYTE), "created");
    assert.equal(bytes, 2 * MEBIBYTE);
  });

  test("a server that stops reading is left after the idle time", async () => {
    const script: Script = (request, response) => {
      if (summary(request) !== "PUT /bucket/folder/a") return false;
      response.writeContinue();
      return true;
    };
    await using made = await bench(script, { idleTimeoutMs: 2000 });
    await assert.rejects(put(made.driver, "a", 64 * MEBIBYTE), hasCode("ERR_STORAGE_TIMEOUT"));
  });

  test("a conflict is looked into", async () => {
    let there = true;
    await using made = await bench((request, response) => {
      const what = summary(request);
      if (what === "PUT /bucket/folder/a") return sendError(response, 409, "ConditionalRequestConflict");
      if (what !== "HEAD /bucket/folder/a" || !there) return false;
      response.setHeader("last-modified", new Date(0).toUTCString());
      response.setHeader("content-length", "5");
      response.end();
      return true;
    });
    assert.equal(await put(made.driver, "a"), "exists");
    there = false;
    await assert.rejects(put(made.driver, "a"), hasCode("ERR_STORAGE_FAILED"));
  });

  for (const [status, code, expected] of [
    [503, "SlowDown", "ERR_STORAGE_THROTTLED"],
    [503, "Whatever", "ERR_STORAGE_THROTTLED"],
    [429, "TooManyRequests", "ERR_STORAGE_THROTTLED"],
    [400, "RequestTimeout", "ERR_STORAGE_TIMEOUT"],
    [400, "ExpiredToken", "ERR_STORAGE_CREDENTIALS"],
    [403, "InvalidAccessKeyId", "ERR_STORAGE_CREDENTIALS"],
    [403, "AccessDenied", "ERR_STORAGE_DENIED"],
    [507, "InsufficientStorage", "ERR_STORAGE_FULL"],
    [500, "InternalError", "ERR_STORAGE_FAILED"],
    [404, "NoSuchBucket", "ERR_STORAGE_MISSING"],
    [400, "BadDigest", "ERR_STORAGE_FAILED"],
  ] as const) {
    test(`${String(status)} ${code} is ${expected}`, async () => {
      await using made = await bench((request, response) => {
        if (!summary(request).endsWith("/folder/a")) return false;
        return sendError(response, status, code, `<CanonicalRequest>${SECRET}</CanonicalRequest>`);
      });
      await assert.rejects(put(made.driver, "a"), hasCode(expected));
      await assert.rejects(made.driver.get("a", undefined, never), hasCode(expected));
      await assert.rejects(made.driver.delete("a", never), hasCode(expected));
      // One attempt a call.
      assert.equal(made.requests.filter((what) => what === "PUT /bucket/folder/a").length, 1);
    });
  }

  test("a region in the text of the answer is named too", async () => {
    await using server = await startScriptedS3((_request, response) =>
      sendError(response, 400, "AuthorizationHeaderMalformed", "<Region>eu-north-7</Region>"),
    );
    await assert.rejects(
      openS3(server.url, { credentials }),
      (error) =>
        hasCode("ERR_USAGE")(error) &&
        isAppError(error) &&
        error.remedy?.includes("region=eu-north-7") === true,
    );
  });

  test("a bucket elsewhere is named with its region", async () => {
    await using server = await startScriptedS3((_request, response) => {
      response.setHeader("x-amz-bucket-region", "eu-north-7");
      response.setHeader("location", "http://127.0.0.1:1/");
      return sendError(response, 301, "PermanentRedirect");
    });
    await assert.rejects(
      openS3(server.url, { credentials }),
      (error) =>
        hasCode("ERR_USAGE")(error) &&
        isAppError(error) &&
        error.remedy?.includes("region=eu-north-7") === true,
    );
  });
});

function object(body: Buffer, headers: Record<string, string>, status = 206): Script {
  return (request, response) => {
    if (summary(request) !== "GET /bucket/folder/a") return false;
    response.writeHead(status, { "content-length": String(body.length), ...headers });
    response.end(body);
    return true;
  };
}

suite("S3: answers to a get", () => {
  const range = { offset: 2, length: 4 };
  const hello = Buffer.from("hello world");

  for (const [what, script] of [
    ["another range", object(hello.subarray(0, 4), { "content-range": "bytes 0-3/11" })],
    ["a longer range", object(hello.subarray(2, 8), { "content-range": "bytes 2-7/11" })],
    ["a range that is not what it says", object(hello, { "content-range": "bytes 2-5/11" })],
    ["the whole object", object(hello, {}, 200)],
    ["no sense", object(hello.subarray(2, 6), { "content-range": "lines 1-2" })],
  ] as const) {
    test(`${what} instead of the range asked for is refused`, async () => {
      await using made = await bench(script);
      await assert.rejects(made.driver.get("a", range, never), hasCode("ERR_STORAGE_FAILED"));
    });
  }

  test("a range that the object ends in is told with the object's size", async () => {
    await using made = await bench(object(hello.subarray(2, 4), { "content-range": "bytes 2-3/4" }));
    await assert.rejects(
      made.driver.get("a", range, never),
      (error) =>
        hasCode("ERR_DAMAGED")(error) && isAppError(error) && error.message.includes("ends at byte 4"),
    );
  });

  test("an object of another age of the earth is not read as a whole", async () => {
    await using made = await bench((request, response) => {
      if (summary(request) !== "GET /bucket/folder/a") return false;
      response.writeHead(200, { "content-length": String(2 ** 40) });
      response.write(hello);
      return true;
    });
    await assert.rejects(made.driver.get("a", undefined, never), hasCode("ERR_DAMAGED"));
  });

  test("a body that is cut off is no object", async () => {
    await using made = await bench((request, response) => {
      if (summary(request) !== "GET /bucket/folder/a") return false;
      response.writeHead(200, { "content-length": "100" });
      response.write(hello, () => response.destroy());
      return true;
    });
    await assert.rejects(made.driver.get("a", undefined, never), hasCode("ERR_STORAGE_UNREACHABLE"));
  });

  test("a body that stands still ends", async () => {
    const script: Script = (request, response) => {
      if (summary(request) !== "GET /bucket/folder/a") return false;
      response.writeHead(200, { "content-length": "100" });
      response.write(hello);
      return true;
    };
    await using made = await bench(script, { idleTimeoutMs: 2000 });
    await assert.rejects(made.driver.get("a", undefined, never), hasCode("ERR_STORAGE_TIMEOUT"));
  });
});

suite("S3: answers to a list", () => {
  const isList = (what: string): boolean => what.endsWith("?list-type");
  const entry = (key: string, size = "5") =>
    `<Contents><Key>${key}</Key><Size>${size}</Size><LastModified>2026-01-02T03:04:05.678Z</LastModified></Contents>`;
  const listing =
    (content: string): Script =>
    (request, response) =>
      isList(summary(request)) && sendXml(response, `<ListBucketResult>${content}</ListBucketResult>`);

  test("names that are not ours are left out", async () => {
    const keys = [
      "folder/a",
      "folder/tmp/x",
      "folder/%0a",
      "folder/%",
      "folder/A",
      "elsewhere/b",
      "folder/../c",
      "",
    ];
    await using made = await bench(listing(keys.map((key) => entry(key)).join("")));
    const { objects, next } = await made.driver.list("", undefined, never);
    assert.deepEqual(objects, [{ name: "a", size: 5, modifiedMs: Date.UTC(2026, 0, 2, 3, 4, 5) }]);
    assert.equal(next, undefined);
  });

  for (const [what, content] of [
    ["says that there is more but not how to get it", "<IsTruncated>true</IsTruncated>"],
    ["has a negative size", entry("folder/a", "-5")],
    ["has a size beyond all numbers", entry("folder/a", "99999999999999999999")],
  ] as const) {
    test(`a list that ${what} is refused`, async () => {
      await using made = await bench(listing(content));
      await assert.rejects(made.driver.list("", undefined, never), hasCode("ERR_STORAGE_FAILED"));
    });
  }

  test("a list that does not end is cut off", async () => {
    let sent = 0;
    await using made = await bench((request, response) => {
      if (!isList(summary(request))) return false;
      const piece = Buffer.alloc(64 * 1024, " ");
      const more = (): void => {
        while (!response.destroyed) {
          sent += piece.length;
          if (!response.write(piece)) break;
        }
      };
      response.on("drain", more);
      response.write("<ListBucketResult>");
      more();
      return true;
    });
    await assert.rejects(made.driver.list("", undefined, never), hasCode("ERR_STORAGE_FAILED"));
    assert(sent < 64 * MEBIBYTE);
  });

  test("something that is no list at all is refused", async () => {
    await using made = await bench(
      (request, response) => isList(summary(request)) && sendXml(response, "<html><p>"),
    );
    await assert.rejects(made.driver.list("", undefined, never), hasCode("ERR_STORAGE_FAILED"));
  });
});

suite("S3: no answers", () => {
  test("a server that says nothing is left after the idle time", async () => {
    await using server = await startScriptedS3(() => true);
    await assert.rejects(
      openS3(server.url, { credentials, idleTimeoutMs: 200 }),
      hasCode("ERR_STORAGE_TIMEOUT"),
    );
  });

  test("a port where nobody listens is not reached", async () => {
    const server = createNetServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    assert(typeof address === "object" && address !== null);
    await new Promise((resolve) => server.close(resolve));
    const url = new URL(`s3://bucket?endpoint=http://127.0.0.1:${String(address.port)}`);
    await assert.rejects(openS3(url, { credentials }), hasCode("ERR_STORAGE_UNREACHABLE"));
  });

  test("a handshake that does not come about ends after the connect time", async () => {
    const sockets: Socket[] = [];
    const server = createNetServer((socket) => sockets.push(socket)).listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    assert(typeof address === "object" && address !== null);
    const url = new URL(`s3://bucket?endpoint=https://127.0.0.1:${String(address.port)}`);
    await assert.rejects(openS3(url, { credentials, connectTimeoutMs: 200 }), hasCode("ERR_STORAGE_TIMEOUT"));
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });

  test("an opening that is cancelled is ERR_CANCELLED", async () => {
    await using server = await startScriptedS3(() => true);
    const signal = AbortSignal.timeout(100);
    await assert.rejects(openS3(server.url, { credentials, signal }), hasCode("ERR_CANCELLED"));
  });
});
