/** The Azure driver against services whose lists are odd. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { openRemoteStorage } from "../src/remote/remote-storage.ts";
import { bench, hasCode } from "./azure-bench.ts";
import { MEBIBYTE, never } from "./azure-fixture.ts";
import { summary } from "./servers/scripted-azure.ts";
import { type Script, sendXml } from "./servers/scripted-http.ts";

suite("Azure: answers to a list", () => {
  const LIST = "GET container?list";
  const entry = (name: string, size = "5") =>
    `<Blob><Name>${name}</Name><Properties><Last-Modified>Fri, 02 Jan 2026 03:04:05 GMT</Last-Modified>` +
    `<Content-Length>${size}</Content-Length><BlobType>BlockBlob</BlobType></Properties></Blob>`;
  const listing =
    (blobs: string, marker = ""): Script =>
    (request, response) =>
      summary(request) === LIST && sendXml(response, pageOf(blobs, marker));
  const pageOf = (blobs: string, marker: string) =>
    `<EnumerationResults ServiceEndpoint="http://x/" ContainerName="container"><Blobs>${blobs}</Blobs>` +
    `<NextMarker>${marker}</NextMarker></EnumerationResults>`;

  test("names that are not ours are left out", async () => {
    const names = ["folder/a", "folder/tmp/x", "folder/A", "elsewhere/b", "folder/../c", "folder/", "x"];
    await using made = await bench(listing(names.map((name) => entry(name)).join("")));
    const { objects, next } = await made.driver.list("", undefined, never);
    assert.deepEqual(objects, [{ name: "a", size: 5, modifiedMs: Date.UTC(2026, 0, 2, 3, 4, 5) }]);
    assert.equal(next, undefined);
  });

  for (const [what, script] of [
    ["goes on at a place without end", listing("", "m".repeat(10_000))],
    ["has a negative size", listing(entry("folder/a", "-5"))],
    ["has a size that is none", listing(entry("folder/a", "many"))],
    ["has a size beyond all numbers", listing(entry("folder/a", "99999999999999999999"))],
    ["has a blob without anything", listing("<Blob></Blob>")],
  ] as const) {
    test(`a list that ${what} is refused`, async () => {
      await using made = await bench(script);
      await assert.rejects(made.driver.list("", undefined, never), hasCode("ERR_STORAGE_FAILED"));
    });
  }

  test("entities do not make much of little", async () => {
    const levels = Array.from({ length: 12 }, (_, level) => {
      const body = level === 0 ? "lol" : `&l${String(level - 1)};`.repeat(10);
      return `<!ENTITY l${String(level)} "${body}">`;
    });
    const xml = `<!DOCTYPE x [${levels.join("")}]><EnumerationResults><Blobs>${entry("&l11;")}</Blobs></EnumerationResults>`;
    await using made = await bench(
      (request, response) => summary(request) === LIST && sendXml(response, xml),
    );
    const start = process.cpuUsage();
    const [outcome] = await Promise.allSettled([made.driver.list("", undefined, never)]);
    const { user, system } = process.cpuUsage(start);
    assert(user + system < 2_000_000, `${String(user + system)} µs of a processor`);
    if (outcome.status === "fulfilled") assert.deepEqual(outcome.value.objects, []);
    else assert(hasCode("ERR_STORAGE_FAILED")(outcome.reason));
  });

  test("an answer that does not end is cut off", async () => {
    let sent = 0;
    await using made = await bench((request, response) => {
      if (summary(request) !== LIST) return false;
      const piece = Buffer.alloc(64 * 1024, " ");
      const more = (): void => {
        while (!response.destroyed) {
          sent += piece.length;
          if (!response.write(piece)) break;
        }
      };
      response.on("drain", more);
      response.write("<EnumerationResults>");
      more();
      return true;
    });
    await assert.rejects(made.driver.list("", undefined, never), hasCode("ERR_STORAGE_FAILED"));
    assert(sent < 64 * MEBIBYTE);
  });

  test("pages that never end are, when they repeat themselves", async () => {
    await using made = await bench(listing(entry("folder/a"), "again"));
    const storage = openRemoteStorage(made.driver);
    await assert.rejects(Array.fromAsync(storage.list("")), hasCode("ERR_STORAGE_FAILED"));
    assert(made.requests.filter((what) => what === LIST).length <= 3);
  });

  for (const [what, body] of [
    ["HTML", "<html><p>"],
    ["another document", "<Other/>"],
    ["nothing", ""],
  ] as const) {
    test(`${what} is no list`, async () => {
      await using made = await bench(
        (request, response) => summary(request) === LIST && sendXml(response, body),
      );
      await assert.rejects(made.driver.list("", undefined, never), hasCode("ERR_STORAGE_FAILED"));
    });
  }
});
