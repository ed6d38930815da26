/** The STORAGE argument: which driver it names, and that no refusal repeats a password. */
import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { join, relative } from "node:path";
import { suite, test } from "node:test";
import { pathToFileURL } from "node:url";
import { type ErrorCode, isAppError } from "@holdfast/kernel";
import { openStorage } from "../src/index.ts";
import { scratchFolder } from "./scratch-folder.ts";

suite("openStorage", () => {
  test("paths and file URLs name a folder", async () => {
    await using scratch = await scratchFolder();
    const path = join(scratch.path, "back ups:1");
    await mkdir(path);
    for (const location of [path, relative(process.cwd(), path), pathToFileURL(path).href, `${path}/`]) {
      await using storage = await openStorage(location);
      assert.equal(storage.location, path);
    }
  });

  test("only create makes the folder", async () => {
    await using scratch = await scratchFolder();
    const path = join(scratch.path, "a/b");
    await assert.rejects(openStorage(path), (error) => isAppError(error, "ERR_STORAGE_UNREACHABLE"));
    await using storage = await openStorage(path, { create: true });
    assert.equal(await storage.put("a", new Uint8Array(1)), "created");
  });

  const refusals: readonly (readonly [string, ErrorCode])[] = [
    ["sftp://user:secret@host:22/path", "ERR_USAGE"],
    ["s3://bucket/prefix?endpoint=https://user:secret@host", "ERR_USAGE"],
    ["smb://user:secret@host/share", "ERR_USAGE"],
    ["webdav://user:secret@host/path", "ERR_USAGE"],
    ["WebDAVs://user:secret@host/path", "ERR_USAGE"],
    ["azure://container?account=name&sig=secret", "ERR_USAGE"],
    ["azure://container?endpoint=https://host/?sig=secret", "ERR_USAGE"],
    ["s3:secret", "ERR_USAGE"],
    ["s3://bucket?lock=secret", "ERR_USAGE"],
    ["sftp://host/path?rate=secret", "ERR_USAGE"],
    ["smb://host/share?encrypt=secret", "ERR_USAGE"],
    ["ftp://user:secret@host/path", "ERR_USAGE"],
    ["file://user:secret@host/path", "ERR_USAGE"],
    ["file:///a%2fsecret", "ERR_USAGE"],
    ["secret\0", "ERR_USAGE"],
    ["", "ERR_USAGE"],
  ];
  for (const [location, code] of refusals) {
    test(`${JSON.stringify(location)} is refused`, async () => {
      await assert.rejects(openStorage(location, { create: true }), (error) => {
        assert(isAppError(error, code));
        assert.doesNotMatch(`${error.message} ${String(error.subject)} ${String(error.remedy)}`, /secret/);
        return error.remedy !== undefined;
      });
    });
  }
});
