/** The S3 driver's puts on servers that overwrite, and its uploads in parts. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { bench, hasCode, MEBIBYTE, put } from "./s3-bench.ts";
import { afterBody, type Script, sendError, sendXml, summary } from "./servers/scripted-s3.ts";

suite("S3: a storage that would overwrite", () => {
  test("is found out before the first object is put", async () => {
    await using made = await bench((request, response) => {
      if (request.method !== "PUT") return false;
      response.end();
      return true;
    });
    await assert.rejects(put(made.driver, "a"), hasCode("ERR_UNSUPPORTED"));
    assert(!made.requests.includes("PUT /bucket/folder/a"));
  });

  test("is told as such when it says that it does not know the condition", async () => {
    await using made = await bench((request, response) => {
      if (request.method !== "PUT" || request.headers["if-none-match"] === undefined) return false;
      return sendError(response, 501, "NotImplemented");
    });
    await assert.rejects(put(made.driver, "a"), hasCode("ERR_UNSUPPORTED"));
  });

  test("is asked once, also by many puts at once", async () => {
    await using made = await bench((request, response) => {
      if (!summary(request).startsWith("PUT /bucket/folder/packs/")) return false;
      response.end();
      return true;
    });
    const names = Array.from({ length: 20 }, (_, index) => `packs/${String(index)}`);
    await Promise.all(names.map((name) => put(made.driver, name)));
    await put(made.driver, "packs/last");
    assert.equal(made.requests.filter((what) => what.endsWith("tmp/condition")).length, 1);
  });

  test("is asked for the next put when the first one was cancelled meanwhile", async () => {
    let asked = 0;
    await using made = await bench((request, response) => {
      const what = summary(request);
      if (what.startsWith("PUT /bucket/folder/packs/")) {
        response.end();
        return true;
      }
      if (what !== "PUT /bucket/folder/tmp/condition") return false;
      asked += 1;
      // The first question is never answered.
      return asked === 1;
    });
    const abort = new AbortController();
    const first = made.driver.put("packs/1", new Uint8Array(5), undefined, abort.signal);
    const second = put(made.driver, "packs/2");
    setTimeout(() => {
      abort.abort();
    }, 50);
    await assert.rejects(first, hasCode("ERR_CANCELLED"));
    assert.equal(await second, "created");
    assert.equal(asked, 2);
    assert(!made.requests.includes("PUT /bucket/folder/packs/1"));
  });

  test("gets large objects whole when it forgets the condition at the end of an upload", async () => {
    await using made = await bench(forgetfulUploads, { multipartFromBytes: 8 * MEBIBYTE });
    assert.equal(await put(made.driver, "large", 9 * MEBIBYTE), "created");
    assert(made.requests.includes("PUT /bucket/folder/large"));
    assert(!made.requests.includes("POST /bucket/folder/large?uploads"));
  });
});

function forgetfulUploads(...[request, response]: Parameters<Script>): boolean {
  const what = summary(request);
  if (what.startsWith("POST") && what.endsWith("?uploads")) return sendXml(response, uploadBegun("upload-1"));
  if (what.startsWith("POST")) return sendXml(response, UPLOAD_DONE);
  if (request.method !== "PUT" || what.endsWith("tmp/condition")) return false;
  return afterBody(request, response, () => {
    response.setHeader("etag", '"etag"');
    response.end();
  });
}

function uploadBegun(id: string): string {
  return `<InitiateMultipartUploadResult><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`;
}

const UPLOAD_DONE = "<CompleteMultipartUploadResult><ETag>x</ETag></CompleteMultipartUploadResult>";

/** Keeps the condition at the end of uploads; the answer for an object is the test's. */
function uploads(complete: (...args: Parameters<Script>) => boolean, part?: Script): Script {
  return (request, response) => {
    const what = summary(request);
    if (request.method === "DELETE") {
      response.writeHead(204).end();
      return true;
    }
    if (what.startsWith("POST") && what.endsWith("?uploads"))
      return sendXml(response, uploadBegun("upload-1"));
    if (what.startsWith("POST") && what.includes("tmp/condition"))
      return sendError(response, 412, "PreconditionFailed");
    if (what.startsWith("POST")) return complete(request, response);
    if (request.method !== "PUT" || !what.endsWith("?uploadId")) return false;
    if (part !== undefined && !what.includes("tmp/condition")) return part(request, response);
    return afterBody(request, response, () => {
      response.setHeader("etag", '"etag"');
      response.end();
    });
  };
}

suite("S3: uploads in parts", () => {
  const options = { multipartFromBytes: 8 * MEBIBYTE, partBytes: 5 * MEBIBYTE };

  test("are sent as parts with digests and completed under the condition", async () => {
    const digests: unknown[] = [];
    const conditions: unknown[] = [];
    const script = uploads(
      (request, response) => {
        conditions.push(request.headers["if-none-match"]);
        return sendXml(response, UPLOAD_DONE);
      },
      (request, response) => {
        digests.push(request.headers["x-amz-checksum-sha256"]);
        return afterBody(request, response, () => response.setHeader("etag", '"etag"').end());
      },
    );
    await using made = await bench(script, options);
    assert.equal(await put(made.driver, "large", 12 * MEBIBYTE), "created");
    assert.equal(digests.length, 3);
    assert(digests.every((digest) => typeof digest === "string"));
    assert.deepEqual(conditions, ["*"]);
    assert(!made.requests.includes("DELETE /bucket/folder/large?uploadId"));
  });

  test("are given up when the name is taken, in the status or in the text of the answer", async () => {
    for (const refuse of [
      uploads((_request, response) => sendError(response, 412, "PreconditionFailed")),
      uploads((_request, response) => sendXml(response, "<Error><Code>PreconditionFailed</Code></Error>")),
    ]) {
      await using made = await bench(refuse, options);
      assert.equal(await put(made.driver, "large", 12 * MEBIBYTE), "exists");
      assert(made.requests.includes("DELETE /bucket/folder/large?uploadId"));
    }
  });

  test("are given up when a part fails, and that is what is told", async () => {
    const script = uploads(
      (_request, response) => sendXml(response, UPLOAD_DONE),
      (_request, response) => sendError(response, 403, "QuotaExceeded"),
    );
    await using made = await bench(script, options);
    await assert.rejects(put(made.driver, "large", 40 * MEBIBYTE), hasCode("ERR_STORAGE_FULL"));
    assert(made.requests.includes("DELETE /bucket/folder/large?uploadId"));
    assert(!made.requests.includes("POST /bucket/folder/large?uploadId"));
  });

  test("of killed writers are given up a day later, others left alone", async () => {
    const DAY_MS = 24 * 60 * 60 * 1000;
    const upload = (key: string, ageMs: number) =>
      `<Upload><Key>${key}</Key><UploadId>1</UploadId><Initiated>${new Date(Date.now() - ageMs).toISOString()}</Initiated></Upload>`;
    await using made = await bench((request, response) => {
      const what = summary(request);
      if (request.method === "DELETE") {
        response.writeHead(204).end();
        return true;
      }
      if (what !== "GET /bucket?uploads" && what !== "GET /bucket/?uploads") return false;
      const found = [
        upload("folder/old", 2 * DAY_MS),
        upload("folder/new", DAY_MS / 2),
        upload("other", 2 * DAY_MS),
      ];
      return sendXml(response, `<ListMultipartUploadsResult>${found.join("")}</ListMultipartUploadsResult>`);
    });
    await assert.rejects(put(made.driver, "a"));
    const given = made.requests.filter((what) => what.startsWith("DELETE"));
    assert.deepEqual(given, ["DELETE /bucket/folder/old?uploadId"]);
  });
});
