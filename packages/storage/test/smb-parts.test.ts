import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { isAppError } from "@holdfast/kernel";
import fc from "fast-check";
import { smbFailure } from "../src/smb/failures.ts";
import { encodeFrame, type Reply } from "../src/smb/messages.ts";
import { ReplyReader } from "../src/smb/replies.ts";
import { libraryUrl, parseSmbLocation, showSmbLocation } from "../src/smb/smb-location.ts";
import { hasCode } from "./memory-driver.ts";

suite("smb:// URLs", () => {
  test("name server, port, share, folder, domain and user", () => {
    const location = parseSmbLocation(new URL("smb://WORK;anna@nas:4450/back%20up$/a/b%C3%A9/"));
    assert.deepEqual(location, {
      host: "nas",
      port: 4450,
      share: "back up$",
      folder: ["a", "b\u00e9"],
      user: "anna",
      domain: "WORK",
    });
    assert.equal(showSmbLocation(location), "smb://nas:4450/back up$/a/b\u00e9");
    assert.equal(libraryUrl(location), "smb://nas:4450/back%20up%24/a/b%C3%A9");
  });

  test("go without user, port and folder", () => {
    const location = parseSmbLocation(new URL("smb://nas/share"));
    assert.deepEqual(location, {
      host: "nas",
      port: 445,
      share: "share",
      folder: [],
      user: undefined,
      domain: undefined,
    });
    assert.equal(libraryUrl(location), "smb://nas:445/share");
    assert.equal(showSmbLocation(location), "smb://nas/share");
  });

  test("that cannot be used are refused without being repeated", () => {
    const urls = [
      "smb://anna:sesame@nas/share",
      "smb://nas/sesame?x",
      "smb://nas/sesame#x",
      "smb://nas",
      "smb:///sesame",
      "smb://nas/sesame/%2e%2e%2fx",
      "smb://nas/sesame/a%00b",
      "smb://nas/sesame/a%5Cb",
      "smb://nas/sesame/%zz",
      "cifs://nas/sesame",
    ];
    for (const url of urls) {
      assert.throws(
        () => parseSmbLocation(new URL(url)),
        (error) => isAppError(error, "ERR_USAGE") && !error.message.includes("sesame"),
        url,
      );
    }
  });
});

suite("the helper's replies", () => {
  const replies: readonly Reply[] = [
    { kind: "progress" },
    { kind: "length", length: 6 },
    { kind: "data" },
    { kind: "objects", objects: [["a", 1, 2]] },
    { kind: "failed", failure: { stage: "call", errno: "EACCES" } },
    { kind: "done", outcome: "created", info: [1, -2], folders: ["a"], endedAt: 3, free: null },
    { kind: "done", info: null },
  ];

  test("come back whole however they were cut", () => {
    const frames = replies.flatMap((reply) =>
      reply.kind === "data" ? [encodeFrame(reply, 6), Buffer.from("sesame")] : [encodeFrame(reply)],
    );
    const stream = Buffer.concat(frames);
    fc.assert(
      fc.property(fc.array(fc.nat(stream.length)), (cuts) => {
        const got: Reply[] = [];
        const payload: Buffer[] = [];
        const reader = new ReplyReader({
          reply: (reply) => got.push(reply),
          payload: (bytes) => payload.push(Buffer.from(bytes)),
        });
        const places = [0, ...cuts.toSorted((first, second) => first - second), stream.length];
        for (const [index, place] of places.entries()) reader.push(stream.subarray(place, places[index + 1]));
        // The last cut begins the last piece again.
        assert.deepEqual(got, replies);
        assert.equal(Buffer.concat(payload).toString(), "sesame");
      }),
    );
  });

  test("are refused when they are none", () => {
    const texts = [
      "",
      "{",
      "[]",
      "null",
      '{"kind":"other"}',
      '{"kind":"length","length":-1}',
      '{"kind":"length","length":1e99}',
      '{"kind":"objects","objects":[["a",1]]}',
      '{"kind":"objects","objects":[[1,1,1]]}',
      '{"kind":"failed","failure":{"stage":"other","errno":"EIO"}}',
      '{"kind":"failed","failure":{"stage":"call","errno":"a secret"}}',
      '{"kind":"done","outcome":"replaced"}',
      '{"kind":"done","folders":"a"}',
    ];
    for (const text of texts) {
      const header = Buffer.alloc(8);
      header.writeUInt32LE(Buffer.byteLength(text), 0);
      const reader = new ReplyReader({ reply: () => undefined, payload: () => undefined });
      assert.throws(
        () => reader.push(Buffer.concat([header, Buffer.from(text), Buffer.alloc(0)])),
        hasCode("ERR_STORAGE_FAILED"),
        text,
      );
    }
    for (const lengths of [
      [0xffff_ffff, 0],
      [2, 0xffff_ffff],
    ] as const) {
      const header = Buffer.alloc(8);
      header.writeUInt32LE(lengths[0], 0);
      header.writeUInt32LE(lengths[1], 4);
      const reader = new ReplyReader({ reply: () => undefined, payload: () => undefined });
      assert.throws(() => reader.push(header), hasCode("ERR_STORAGE_FAILED"));
    }
  });
});

suite("failures of SMB", () => {
  test("say how to get the library", () => {
    const error = smbFailure({ stage: "library", errno: "ENOENT" }, "Connecting", "smb://nas/share");
    assert.equal(error.code, "ERR_UNSUPPORTED");
    assert.match(error.remedy ?? "", /apt install libsmbclient.*mount the share/u);
  });
});
