/** Locks and blocks of the Azure driver, as it asks for them. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { openAzure } from "../src/azure/open-azure.ts";
import { bench, credentials, hasCode, put } from "./azure-bench.ts";
import { ManualClock } from "./manual-clock.ts";
import { sendCreated, sendError, sendFacts, startScriptedAzure, summary } from "./servers/scripted-azure.ts";
import { afterBody, type Script } from "./servers/scripted-http.ts";

const PUT_A = "PUT container/folder/a";

suite("Azure: locks", () => {
  const immutable =
    (headers: Record<string, string>, rest: Script): Script =>
    (request, response) => {
      if (summary(request) !== "GET container?container") return rest(request, response);
      response.writeHead(200, headers).end();
      return true;
    };
  const withVersions = { "x-ms-immutable-storage-with-versioning-enabled": "true" };

  test("of the container are seen", async () => {
    for (const [headers, objectLock, versioning] of [
      [{ "x-ms-has-immutability-policy": "true" }, true, false],
      [{ "x-ms-has-legal-hold": "true" }, true, false],
      [withVersions, false, true],
      [{ ...withVersions, "x-ms-has-immutability-policy": "true" }, true, true],
    ] as const) {
      await using made = await bench(immutable(headers, () => false));
      assert.equal(made.driver.capabilities.objectLock, objectLock, JSON.stringify(headers));
      assert.equal(made.driver.capabilities.versioning, versioning);
    }
  });

  for (const [mode, expected] of [
    ["COMPLIANCE", "locked"],
    ["GOVERNANCE", "unlocked"],
  ] as const) {
    test(`of objects are asked for with each of them: ${mode}`, async () => {
      const asked: string[] = [];
      const script = immutable(withVersions, (request, response) => {
        if (request.method !== "PUT") return false;
        const { headers } = request;
        if (!summary(request).endsWith("?block")) {
          const { "x-ms-immutability-policy-mode": how, "x-ms-immutability-policy-until-date": until } =
            headers;
          asked.push(`${String(how)} ${String(until)}`);
        }
        return sendCreated(request, response);
      });
      const clock = new ManualClock();
      const lock = { mode, days: 30 };
      await using made = await bench(script, { lock, clock, blocksFromBytes: 100 });
      assert.equal(made.driver.capabilities.objectLock, true);
      assert.equal(await put(made.driver, "a", 50), "created");
      assert.equal(await put(made.driver, "b", 500), "created");
      const until = new Date(clock.now() + 30 * 24 * 60 * 60 * 1000).toUTCString();
      assert.deepEqual(
        asked.map((text) => text.toLowerCase()),
        [`${expected} ${until.toLowerCase()}`, `${expected} ${until.toLowerCase()}`],
      );
    });
  }

  test("an account with a hierarchical namespace is refused", async () => {
    await using server = await startScriptedAzure((request, response) => {
      if (summary(request) !== "GET container?properties") return false;
      response.writeHead(200, { "x-ms-is-hns-enabled": "true" }).end();
      return true;
    });
    await assert.rejects(openAzure(server.url, { credentials }), hasCode("ERR_UNSUPPORTED"));
  });
});

suite("Azure: blocks", () => {
  const options = { blocksFromBytes: 100, blockBytes: 100 };

  test("are sent with digests and committed under the condition, in order", async () => {
    const ids = new Map<string, number>();
    let list = "";
    let condition: unknown;
    await using made = await bench((request, response) => {
      const { searchParams } = new URL(request.url ?? "", "http://server");
      const what = summary(request);
      if (what === `${PUT_A}?block`) {
        ids.set(searchParams.get("blockid") ?? "", Number(request.headers["content-length"]));
        assert.equal(typeof request.headers["content-md5"], "string");
        return sendCreated(request, response);
      }
      if (what !== `${PUT_A}?blocklist`) return false;
      condition = request.headers["if-none-match"];
      request.on("data", (data: Buffer) => {
        list += data.toString();
      });
      return sendCreated(request, response);
    }, options);
    assert.equal(await put(made.driver, "a", 1050), "created");
    assert.equal(condition, "*");
    const committed = [...list.matchAll(/<Latest>([^<]+)<\/Latest>/g)].map(([, id]) => id ?? "");
    assert.equal(new Set(committed).size, 11);
    assert.deepEqual(
      committed.map((id) => ids.get(id)),
      [...Array.from({ length: 10 }, () => 100), 50],
    );
  });

  test("are given up when one fails, and that is what is told", async () => {
    let count = 0;
    await using made = await bench((request, response) => {
      if (request.method !== "PUT") return false;
      count += 1;
      if (count > 3) return sendError(response, 507, "Whatever");
      return afterBody(request, response, () => {
        response.writeHead(201).end();
      });
    }, options);
    await assert.rejects(put(made.driver, "a", 4000), hasCode("ERR_STORAGE_FULL"));
    assert(count < 12);
    assert(!made.requests.some((what) => what.endsWith("?blocklist")));
  });

  test("are not sent for a name that is taken", async () => {
    await using made = await bench(
      (request, response) => request.method === "HEAD" && sendFacts(response),
      options,
    );
    assert.equal(await put(made.driver, "a", 1000), "exists");
    assert(!made.requests.some((what) => what.startsWith("PUT")));
  });
});
