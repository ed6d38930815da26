/** The Azure driver against services that answer oddly, late, too much or not at all. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { text as readText } from "node:stream/consumers";
import { suite, test } from "node:test";
import { isAppError } from "@holdfast/kernel";
import { openAzure } from "../src/azure/open-azure.ts";
import { openRemoteStorage } from "../src/remote/remote-storage.ts";
import { bench, credentials, hasCode, KEY, put, SAS } from "./azure-bench.ts";
import { always, MEBIBYTE, never } from "./azure-fixture.ts";
import { sendCreated, sendError, sendFacts, startScriptedAzure, summary } from "./servers/scripted-azure.ts";
import { type Script } from "./servers/scripted-http.ts";

const PUT_A = "PUT container/folder/a";
const emptyMd5 = (length: number) => createHash("md5").update(new Uint8Array(length)).digest("base64");

suite("Azure: answers to a put", () => {
  test("a refusal comes before the bytes are sent, and is looked into", async () => {
    let bytes = 0;
    let there = true;
    await using made = await bench((request, response) => {
      const what = summary(request);
      if (what.startsWith("HEAD") && there) return sendFacts(response);
      if (what !== PUT_A) return false;
      request.on("data", (data: Buffer) => {
        bytes += data.length;
      });
      return sendError(response, 409, "BlobAlreadyExists");
    });
    assert.equal(await put(made.driver, "a", 32 * MEBIBYTE), "exists");
    assert.equal(bytes, 0);
    there = false;
    await assert.rejects(put(made.driver, "a", 5));
  });

  test("the condition, the digest and the length are sent", async () => {
    const sent: unknown[] = [];
    await using made = await bench((request, response) => {
      if (summary(request) !== PUT_A) return false;
      const { headers } = request;
      sent.push([headers["if-none-match"], headers["content-md5"], headers["content-length"]]);
      sent.push([headers["x-ms-blob-type"], headers["x-ms-meta-sha256"]]);
      return sendCreated(request, response, { "content-md5": emptyMd5(5) });
    });
    assert.equal(await made.driver.put("a", new Uint8Array(5), Buffer.alloc(32, 0xab), never), "created");
    assert.deepEqual(sent, [
      ["*", emptyMd5(5), "5"],
      ["BlockBlob", "ab".repeat(32)],
    ]);
  });

  test("a digest of something else in the answer is no success", async () => {
    const other = { "content-md5": emptyMd5(6) };
    await using made = await bench(
      (request, response) => request.method === "PUT" && sendCreated(request, response, other),
      { blocksFromBytes: 100 },
    );
    await assert.rejects(put(made.driver, "a", 5), hasCode("ERR_STORAGE_FAILED"));
    await assert.rejects(put(made.driver, "a", 500), hasCode("ERR_STORAGE_FAILED"));
  });

  test("a server that stops reading is left after the idle time", async () => {
    const script: Script = (request, response) => {
      if (summary(request) !== PUT_A) return false;
      response.writeContinue();
      return true;
    };
    await using made = await bench(script, { idleTimeoutMs: 2000 });
    await assert.rejects(put(made.driver, "a", 64 * MEBIBYTE), hasCode("ERR_STORAGE_TIMEOUT"));
  });

  for (const code of [
    "BlobImmutableDueToPolicy",
    "UnauthorizedBlobOverwrite",
    "AuthorizationPermissionMismatch",
    "InvalidBlockList",
  ]) {
    test(`${code} means that the name is taken, if it is`, async () => {
      let there = true;
      await using made = await bench((request, response) => {
        if (request.method === "HEAD") return there && sendFacts(response);
        return request.method === "PUT" && sendError(response, 409, code);
      });
      assert.equal(await put(made.driver, "a"), "exists");
      there = false;
      await assert.rejects(put(made.driver, "a"));
      assert.equal(made.requests.filter((what) => what.startsWith("HEAD")).length, 2);
    });
  }

  for (const [status, code, expected] of [
    [503, "ServerBusy", "ERR_STORAGE_THROTTLED"],
    [503, "Whatever", "ERR_STORAGE_THROTTLED"],
    [429, "TooManyRequests", "ERR_STORAGE_THROTTLED"],
    [500, "OperationTimedOut", "ERR_STORAGE_TIMEOUT"],
    [500, "InternalError", "ERR_STORAGE_FAILED"],
    [403, "AuthenticationFailed", "ERR_STORAGE_CREDENTIALS"],
    [401, "NoAuthenticationInformation", "ERR_STORAGE_CREDENTIALS"],
    [403, "AuthorizationPermissionMismatch", "ERR_STORAGE_DENIED"],
    [403, "AuthorizationFailure", "ERR_STORAGE_DENIED"],
    [403, "KeyBasedAuthenticationNotPermitted", "ERR_STORAGE_DENIED"],
    [409, "SnapshotsPresent", "ERR_STORAGE_DENIED"],
    [409, "BlobArchived", "ERR_STORAGE_DENIED"],
    [404, "ContainerNotFound", "ERR_STORAGE_MISSING"],
    [409, "ContainerBeingDeleted", "ERR_STORAGE_MISSING"],
    [507, "Whatever", "ERR_STORAGE_FULL"],
    [400, "Md5Mismatch", "ERR_STORAGE_FAILED"],
    [501, "NotImplemented", "ERR_UNSUPPORTED"],
    [502, "", "ERR_STORAGE_UNREACHABLE"],
    [301, "Moved", "ERR_STORAGE_FAILED"],
  ] as const) {
    test(`${String(status)} ${code} is ${expected}, after one attempt`, async () => {
      await using made = await bench((request, response) => {
        if (!summary(request).endsWith("/folder/a")) return false;
        response.setHeader("location", "http://127.0.0.1:1/");
        response.setHeader("retry-after", "1");
        const told = `<AuthenticationErrorDetail>${String(request.headers.authorization)} ${KEY}</AuthenticationErrorDetail>`;
        return sendError(response, status, code, told);
      });
      await assert.rejects(put(made.driver, "a"), hasCode(expected));
      await assert.rejects(made.driver.get("a", undefined, never), hasCode(expected));
      await assert.rejects(made.driver.delete("a", never), hasCode(expected));
      await assert.rejects(made.driver.stat("a", never), hasCode(expected));
      for (const method of ["PUT", "GET", "DELETE", "HEAD"]) {
        const count = made.requests.filter((what) => what === `${method} container/folder/a`).length;
        // A put that was refused so looks whether the name is taken.
        const looked = code === "AuthorizationPermissionMismatch" && method === "HEAD";
        assert.equal(count, looked ? 2 : 1, method);
      }
    });
  }
});

suite("Azure: what the time makes of credentials", () => {
  const remedy = async (script: Script): Promise<string> => {
    await using server = await startScriptedAzure(script);
    const opening = openAzure(server.url, { credentials });
    const [outcome] = await Promise.allSettled([opening]);
    assert(outcome.status === "rejected" && isAppError(outcome.reason));
    return `${outcome.reason.code} ${outcome.reason.remedy ?? ""}`;
  };
  const detail = (text: string) => `<AuthenticationErrorDetail>${text}</AuthenticationErrorDetail>`;
  const refuse =
    (text: string): Script =>
    (_request, response) =>
      sendError(response, 403, "AuthenticationFailed", detail(text));

  test("a clock that is wrong is named, by the storage or by its own time", async () => {
    const expected = "ERR_STORAGE_FAILED Set the clock of this machine.";
    assert.equal(await remedy(refuse("Request date header too old: 'Sun, 22 Nov 2026'")), expected);
    const script: Script = (_request, response) => {
      response.setHeader("date", new Date(Date.now() - 20 * 60_000).toUTCString());
      return sendError(response, 403, "AuthenticationFailed");
    };
    assert.equal(await remedy(script), expected);
  });

  test("a SAS whose time is over is named", async () => {
    const text = await remedy(
      refuse("Signature not valid in the specified time frame: Start [x] - Expiry [y]"),
    );
    assert.match(text, /^ERR_STORAGE_CREDENTIALS Make a new SAS/);
  });

  test("everything else is about the key", async () => {
    assert.match(await remedy(refuse("The MAC signature is not the same")), /CREDENTIALS Check the account/);
  });
});

function object(body: Buffer, headers: Record<string, string>, status = 206): Script {
  return (request, response) => {
    if (summary(request) !== "GET container/folder/a") return false;
    response.writeHead(status, { etag: '"0x1"', "content-length": String(body.length), ...headers });
    response.end(body);
    return true;
  };
}

suite("Azure: answers to a get", () => {
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

  test("an object too large to be read as a whole is not read", async () => {
    await using made = await bench((request, response) => {
      if (summary(request) !== "GET container/folder/a") return false;
      response.writeHead(200, { etag: '"0x1"', "content-length": String(2 ** 40) });
      response.write(hello);
      return true;
    });
    await assert.rejects(made.driver.get("a", undefined, never), hasCode("ERR_DAMAGED"));
  });

  for (const [what, headers] of [
    ["no length", { "transfer-encoding": "chunked" }],
    ["a senseless length", { "content-length": "-5" }],
  ] as const) {
    test(`an answer with ${what} is refused`, async () => {
      await using made = await bench((request, response) => {
        if (summary(request) !== "GET container/folder/a") return false;
        response.writeHead(200, { etag: '"0x1"', ...headers });
        response.end();
        return true;
      });
      await assert.rejects(made.driver.get("a", undefined, never), (error) => {
        assert(isAppError(error));
        return error.code === "ERR_STORAGE_FAILED" || error.code === "ERR_STORAGE_UNREACHABLE";
      });
    });
  }

  test("a body that is cut off is no object", async () => {
    await using made = await bench((request, response) => {
      if (summary(request) !== "GET container/folder/a") return false;
      response.writeHead(200, { etag: '"0x1"', "content-length": "100" });
      response.write(hello, () => response.destroy());
      return true;
    });
    await assert.rejects(made.driver.get("a", undefined, never), hasCode("ERR_STORAGE_UNREACHABLE"));
    assert.equal(made.requests.filter((what) => what === "GET container/folder/a").length, 1);
  });

  test("a body that stands still ends", async () => {
    const script: Script = (request, response) => {
      if (summary(request) !== "GET container/folder/a") return false;
      response.writeHead(200, { etag: '"0x1"', "content-length": "100" });
      response.write(hello);
      return true;
    };
    await using made = await bench(script, { idleTimeoutMs: 2000 });
    await assert.rejects(made.driver.get("a", undefined, never), hasCode("ERR_STORAGE_TIMEOUT"));
  });
});

suite("Azure: storages that are busy or silent", () => {
  test("are asked again later, and then it works", async () => {
    let busy = 3;
    await using made = await bench((request, response) => {
      if (summary(request) !== PUT_A) return false;
      busy -= 1;
      if (busy >= 0) return sendError(response, busy === 0 ? 429 : 503, "ServerBusy");
      return sendCreated(request, response);
    });
    const pauses: number[] = [];
    const sleep = (ms: number): Promise<void> => {
      pauses.push(ms);
      return Promise.resolve();
    };
    const clock = { now: () => Date.now(), monotonic: () => performance.now(), sleep };
    const storage = openRemoteStorage(made.driver, { clock });
    assert.equal(await storage.put("a", new Uint8Array(5)), "created");
    assert.equal(pauses.length, 3);
    assert(
      pauses.every((ms) => ms >= 1000),
      String(pauses),
    );
    assert.equal(made.requests.filter((what) => what === PUT_A).length, 4);
  });

  test("are left after the idle time", async () => {
    await using server = await startScriptedAzure(() => true);
    const options = { credentials, idleTimeoutMs: 200 };
    await assert.rejects(openAzure(server.url, options), hasCode("ERR_STORAGE_TIMEOUT"));
  });

  test("an opening that is cancelled is ERR_CANCELLED", async () => {
    await using server = await startScriptedAzure(() => true);
    const signal = AbortSignal.timeout(100);
    await assert.rejects(openAzure(server.url, { credentials, signal }), hasCode("ERR_CANCELLED"));
  });

  test("one cancelled call does not disturb another that waits for the same credentials", async () => {
    await using server = await startScriptedAzure(() => false);
    let calls = 0;
    const slow = async () => {
      calls += 1;
      await new Promise((resolve) => setTimeout(resolve, 100));
      return { accountKey: KEY };
    };
    const signal = AbortSignal.timeout(20);
    await assert.rejects(openAzure(server.url, { credentials: slow, signal }), hasCode("ERR_CANCELLED"));
    await using driver = await openAzure(server.url, { credentials: slow });
    assert.equal(await driver.stat("a", never), null);
    assert.equal(calls, 2);
  });

  test("nothing that the SDK logs shows a secret", async () => {
    await using server = await startScriptedAzure(() => false);
    const entry = new URL("../src/azure/open-azure.ts", import.meta.url).href;
    const program = `
      const { openAzure } = await import(process.argv[1]);
      const [, , url, ...secrets] = process.argv;
      for (const secret of secrets) {
        const driver = await openAzure(new URL(url), { credentials: async () => JSON.parse(secret) });
        await driver.stat("a", new AbortController().signal);
        await driver[Symbol.asyncDispose]();
      }
    `;
    const child = spawn(
      process.execPath,
      [
        "--input-type=module",
        "--eval",
        program,
        entry,
        server.url.href,
        ...[{ sas: SAS }, { accountKey: KEY }].map((given) => JSON.stringify(given)),
      ],
      { env: { ...process.env, AZURE_LOG_LEVEL: "verbose" }, stdio: ["ignore", "inherit", "pipe"] },
    );
    const logged = await readText(child.stderr);
    assert(logged.includes("REDACTED"), logged);
    for (const secret of [KEY, "may-see", "SharedKey"]) assert(!logged.includes(secret), logged);
  });

  test("errors of the network show no SAS", async () => {
    const url = new URL("azure://container/x?endpoint=http://127.0.0.1:1");
    await assert.rejects(
      openAzure(url, { credentials: always({ sas: SAS }) }),
      hasCode("ERR_STORAGE_UNREACHABLE"),
    );
  });
});
