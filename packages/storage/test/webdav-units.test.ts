/** The WebDAV driver's parts that need no server: URLs, challenges, Digest, answers to PROPFIND. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { isAppError, systemRandomness } from "@holdfast/kernel";
import fc from "fast-check";
import { Authorization, type WebdavCredentials } from "../src/webdav/authorization.ts";
import { parseChallenges } from "../src/webdav/challenges.ts";
import { parseFingerprint } from "../src/webdav/connect.ts";
import { digestAuthorization, readDigestChallenge } from "../src/webdav/digest.ts";
import { filePath, folderPath, parseWebdavUrl } from "../src/webdav/location.ts";
import { parseMultistatus } from "../src/webdav/multistatus.ts";

/** RFC 7616 section 3.9.1. */
const RFC_CHALLENGES = `Digest
  realm="http-auth@example.org", qop="auth, auth-int", algorithm=SHA-256,
  nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS",
  Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=MD5,
  nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"`
  .replaceAll("\n", "")
  .replaceAll(/ +/g, " ");

suite("webdav: URLs", () => {
  test("give host, port, path and a text without ornament", () => {
    const location = parseWebdavUrl("webdavs://Cloud.Example.org/remote.php/dav/a%20b/", false);
    assert.deepEqual(location, {
      tls: true,
      host: "cloud.example.org",
      port: 443,
      base: ["remote.php", "dav", "a b"],
      text: "webdavs://cloud.example.org/remote.php/dav/a%20b/",
    });
    assert.equal(filePath(location, "packs/aa"), "/remote.php/dav/a%20b/packs/aa");
    assert.equal(folderPath(location, ""), "/remote.php/dav/a%20b/");
    assert.equal(folderPath(location, "packs"), "/remote.php/dav/a%20b/packs/");
  });

  test("of plain HTTP lead to this machine, unless more is allowed", () => {
    for (const host of ["127.0.0.1:8080", "127.9.9.9", "[::1]:81", "localhost"])
      assert.equal(parseWebdavUrl(new URL(`webdav://${host}/x`), false).tls, false);
    for (const host of [
      "192.0.2.1",
      "cloud.example.org",
      "127.0.0.1.example.org",
      "[2001:db8::1]",
      "0.0.0.0",
    ]) {
      assert.throws(
        () => parseWebdavUrl(`webdav://${host}/x`, false),
        (error) => isAppError(error, "ERR_USAGE"),
      );
      assert.equal(parseWebdavUrl(`webdav://${host}/x`, true).tls, false);
    }
  });

  test("with secrets, with more than a path, or of another kind are refused without being repeated", () => {
    for (const url of [
      "webdavs://user:secret@host/x",
      "webdavs://secret@host/x",
      "webdavs://host/x?secret",
      "webdavs://host/x#secret",
      "webdavs://host/%00secret",
      "webdavs://host/secret%2fx",
      "webdavs://host/%zzsecret",
      "webdavs://ho st/secret",
      "https://host/secret",
      "webdavs:/secret",
    ]) {
      assert.throws(
        () => parseWebdavUrl(url, false),
        (error) => isAppError(error, "ERR_USAGE") && !/secret/.test(error.message),
        url,
      );
    }
  });

  test("dots do not lead out of the server's root", () => {
    assert.deepEqual(parseWebdavUrl("webdavs://host/a/../../b/%2e%2e/c", false).base, ["c"]);
  });
});

suite("webdav: challenges", () => {
  test("are told apart where commas mean two things", () => {
    const header =
      'Negotiate, NTLM TlRMTVNTUAAC==, Basic realm="a, \\"b\\"" , charset = "UTF-8", Digest nonce=n,qop="auth"';
    assert.deepEqual(
      parseChallenges(header).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]),
      [
        ["negotiate", {}],
        ["ntlm", {}],
        ["basic", { realm: 'a, "b"', charset: "UTF-8" }],
        ["digest", { nonce: "n", qop: "auth" }],
      ],
    );
  });

  test("of any text are read in no time and without error", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 200 }), (text) => {
        parseChallenges(text);
      }),
    );
    const start = process.cpuUsage();
    for (const text of ['a="', "a =", "\\,", "a a", "=,"]) parseChallenges(text.repeat(8192 / text.length));
    const { user, system } = process.cpuUsage(start);
    assert(user + system < 1_000_000, `${String(user + system)} µs of a processor`);
    assert.deepEqual(parseChallenges("x".repeat(9000)), []);
  });
});

suite("webdav: Digest", () => {
  for (const [name, hash, response] of [
    ["SHA-256", "sha256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"],
    ["MD5", "md5", "8ca523f5e9506fed4657c9700eebdbec"],
  ] as const) {
    test(`gives the example of RFC 7616 with ${name}`, () => {
      const challenge = parseChallenges(RFC_CHALLENGES)
        .map(readDigestChallenge)
        .find((known) => known?.hash === hash);
      assert(challenge !== undefined);
      const header = digestAuthorization({
        challenge,
        user: "Mufasa",
        password: "Circle of Life",
        method: "GET",
        path: "/dir/index.html",
        count: 1,
        clientNonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
      });
      assert.equal(/ response="([0-9a-f]+)"/.exec(header)?.[1], response);
      assert.match(header, /^Digest username="Mufasa", realm="http-auth@example.org", nonce="7ypf/);
      assert.match(header, /uri="\/dir\/index.html", algorithm=[A-Z0-9-]+, /);
      assert.match(header, /qop=auth, nc=00000001, cnonce="f2\/wE4q/);
    });
  }

  test("without auth, with an unknown hash or without a nonce is no choice", () => {
    for (const header of [
      'Digest realm="r", nonce="n"',
      'Digest realm="r", nonce="n", qop="auth-int"',
      'Digest realm="r", nonce="n", qop="auth", algorithm=SHA-256-sess',
      'Digest realm="r", qop="auth"',
    ]) {
      assert.deepEqual(parseChallenges(header).map(readDigestChallenge), [undefined], header);
    }
  });
});

suite("webdav: authorization", () => {
  const user = { user: "alice", password: "secret" };
  const open = (url: string, credentials: WebdavCredentials) =>
    new Authorization(parseWebdavUrl(url, true), () => Promise.resolve(credentials), systemRandomness);

  test("sends nothing before the server asked, then the best that both know", async () => {
    const authorization = open("webdavs://host/x", user);
    const first = await authorization.pass("GET", "/x");
    assert.equal(first.authorization, undefined);
    await authorization.challenged(first, `Basic realm="r", ${RFC_CHALLENGES}`, 1);
    assert.match(
      (await authorization.pass("GET", "/x")).authorization ?? "",
      /^Digest .*SHA-256.*nc=00000001/,
    );
    assert.match(
      (await authorization.pass("GET", "/x")).authorization ?? "",
      /^Digest .*SHA-256.*nc=00000002/,
    );
  });

  test("never shows a password or token to who listens", async () => {
    const basic = open("webdav://192.0.2.1/x", user);
    await assert.rejects(basic.challenged(await basic.pass("GET", "/x"), 'Basic realm="r"', 1), (error) =>
      isAppError(error, "ERR_STORAGE_UNTRUSTED"),
    );
    await assert.rejects(open("webdav://192.0.2.1/x", { bearer: "token" }).pass("GET", "/x"), (error) =>
      isAppError(error, "ERR_STORAGE_UNTRUSTED"),
    );
    const digest = open("webdav://192.0.2.1/x", user);
    await digest.challenged(await digest.pass("GET", "/x"), RFC_CHALLENGES, 1);
    assert.match((await digest.pass("GET", "/x")).authorization ?? "", /^Digest /);
  });

  test("refused credentials are asked for anew, a stale nonce is not their fault", async () => {
    let asked = 0;
    const source = () => Promise.resolve({ user: "alice", password: `secret ${String((asked += 1))}` });
    const authorization = new Authorization(
      parseWebdavUrl("webdavs://host/x", false),
      source,
      systemRandomness,
    );
    await authorization.challenged(await authorization.pass("GET", "/x"), RFC_CHALLENGES, 1);
    const used = await authorization.pass("GET", "/x");
    await authorization.challenged(used, RFC_CHALLENGES.replaceAll("qop", "stale=true, qop"), 1);
    const again = await authorization.pass("GET", "/x");
    await assert.rejects(
      authorization.challenged(again, RFC_CHALLENGES, 2),
      (error) => isAppError(error, "ERR_STORAGE_CREDENTIALS") && !/secret/.test(error.message),
    );
    assert.equal(asked, 1);
    assert.equal((await authorization.pass("GET", "/x")).authorization, undefined);
    assert.equal(asked, 2);
  });
});

suite("webdav: answers to PROPFIND", () => {
  const wrap = (inner: string): Buffer =>
    Buffer.from(`<?xml version="1.0"?><d:multistatus xmlns:d="DAV:">${inner}</d:multistatus>`);
  const response = (href: string, properties: string, status = "HTTP/1.1 200 OK"): string =>
    `<d:response><d:href>${href}</d:href><d:propstat><d:prop>${properties}</d:prop>` +
    `<d:status>${status}</d:status></d:propstat></d:response>`;

  test("are read whatever the prefixes", () => {
    const xml = wrap(
      response("/b/", "<d:resourcetype><d:collection/></d:resourcetype>") +
        response(
          "http://host/b/x%20y",
          "<lp1:getcontentlength xmlns:lp1='DAV:'>0012</lp1:getcontentlength><d:resourcetype/>" +
            "<d:getlastmodified>Sun, 06 Nov 1994 08:49:37 GMT</d:getlastmodified>",
        ) +
        response("/b/a&amp;b", "<d:getcontentlength>7</d:getcontentlength>", "HTTP/1.1 404 Not Found") +
        "<d:response><d:href>/b/gone</d:href><d:status>HTTP/1.1 403 Forbidden</d:status></d:response>",
    );
    const none = { size: undefined, modifiedMs: undefined, available: undefined };
    assert.deepEqual(parseMultistatus(xml), [
      { ...none, path: ["b"], status: 200, collection: true },
      { ...none, path: ["b", "x y"], status: 200, collection: false, size: 12, modifiedMs: 784111777000 },
      { ...none, path: ["b", "a&b"], status: 200, collection: false },
      { ...none, path: ["b", "gone"], status: 403, collection: false },
    ]);
    assert.deepEqual(parseMultistatus(wrap("")), []);
  });

  test("with numbers that cannot be are taken as not told", () => {
    for (const text of ["-1", "1e3", "99999999999999999999", "", "0x10", "1 2"]) {
      const [resource] = parseMultistatus(
        wrap(
          response(
            "/b",
            `<d:getcontentlength>${text}</d:getcontentlength><d:getlastmodified>x</d:getlastmodified>`,
          ),
        ),
      );
      assert.deepEqual([resource?.size, resource?.modifiedMs], [undefined, undefined]);
    }
  });

  test("that are cut, not XML, or bring entities are refused", () => {
    const whole = wrap(response("/b", "<d:resourcetype/>"));
    const bomb =
      '<!DOCTYPE d [<!ENTITY a "aaaaaaaaaa">]><multistatus><response><href>&a;</href></response></multistatus>';
    for (const bytes of [
      whole.subarray(0, whole.length - 20),
      Buffer.from("<html><body>hello</body></html>"),
      Buffer.from("hello"),
      Buffer.from(""),
      Buffer.from([0xff, 0xfe, 0x3c]),
      Buffer.from(bomb),
      wrap("<d:response><d:status>HTTP/1.1 200 OK</d:status></d:response>"),
      wrap(response("/b/%00", "")),
      wrap(response("/b/%2f", "")),
      wrap("<d:a>".repeat(200) + "</d:a>".repeat(200)),
    ]) {
      assert.throws(() => parseMultistatus(bytes), Error, bytes.toString("latin1").slice(0, 80));
    }
  });

  test("may try to reach an object's prototype, in vain", () => {
    const names = ["__proto__", "constructor", "toString", "hasOwnProperty"];
    const xml = wrap(names.map((name) => response("/b", `<${name}>x</${name}>`)).join(""));
    try {
      assert.equal(parseMultistatus(xml).length, names.length);
    } catch (error) {
      assert(error instanceof Error);
    }
    assert.equal(Object.getOwnPropertyNames(Object.prototype).includes("x"), false);
    assert.equal(typeof {}.toString, "function");
  });
});

test("webdav: fingerprints are read with and without colons", () => {
  const digits = "0123456789abcdef".repeat(4);
  const colons = digits.toUpperCase().replaceAll(/(..)(?=.)/g, "$1:");
  assert(parseFingerprint(digits).equals(parseFingerprint(colons)));
  for (const bad of ["", digits.slice(2), `${digits}00`, "g".repeat(64)])
    assert.throws(
      () => parseFingerprint(bad),
      (error) => isAppError(error, "ERR_USAGE"),
    );
});
