/** Calls to the outside: what kind an address is, who is called, and that it is who was checked. */
import assert from "node:assert/strict";
import { createServer as createPlainServer } from "node:http";
import { createServer as createSocketServer, type Socket } from "node:net";
import { text as textOf } from "node:stream/consumers";
import { suite, test } from "node:test";
import { type ErrorCode, isAppError } from "@holdfast/kernel";
import type { OutboundPolicy } from "@holdfast/protocol";
import fc from "fast-check";
import { kindOf, parseAddress, parseNetwork } from "../src/outbound/address.ts";
import { openPostgres } from "../src/database/open-postgres.ts";
import { createOutbound, type Outbound, outboundOf } from "../src/outbound/outbound.ts";
import {
  permits,
  PUBLIC_ONLY,
  readOutboundPolicy,
  setOutboundPolicy,
} from "../src/outbound/outbound-policy.ts";
import type { Resolve } from "../src/outbound/resolve.ts";
import { catalogue } from "./catalogue-fixture.ts";
import { forEachDatabase } from "./databases.ts";
import { portOf, startWebServer, testAuthority } from "./tls-fixture.ts";

const hasCode =
  (code: ErrorCode) =>
  (error: unknown): boolean =>
    isAppError(error, code);

const LOOPBACK = ["127.0.0.1"];

function outbound(policy: Partial<OutboundPolicy>, resolve?: Resolve): Outbound {
  const readPolicy = async (): Promise<OutboundPolicy> => ({ ...PUBLIC_ONLY, ...policy });
  return createOutbound({ readPolicy, ...(resolve === undefined ? {} : { resolve }) });
}

const KINDS: readonly (readonly [string, ...string[]])[] = [
  [
    "public",
    "1.1.1.1",
    "172.15.255.255",
    "172.32.0.0",
    "100.63.255.255",
    "2606:4700::1111",
    "64:ff9b::101:101",
  ],
  [
    "private",
    "10.0.0.1",
    "172.16.0.0",
    "172.31.255.255",
    "192.168.3.4",
    "100.64.0.1",
    "fd00::1",
    "::ffff:10.0.0.1",
  ],
  ["loopback", "127.0.0.1", "127.255.255.255", "::1", "::ffff:127.0.0.1", "::ffff:7f00:1", "64:ff9b::7f00:1"],
  ["loopback", "2002:7f00:1::", "::127.0.0.1"],
  ["link-local", "169.254.0.1", "fe80::1", "fe80::1%eth0", "febf::1", "::ffff:169.254.1.1"],
  [
    "metadata",
    "169.254.169.254",
    "::ffff:169.254.169.254",
    "::ffff:a9fe:a9fe",
    "fd00:ec2::254",
    "168.63.129.16",
  ],
  ["metadata", "64:ff9b::169.254.169.254", "2002:a9fe:a9fe::1"],
  ["multicast", "224.0.0.1", "239.1.1.1", "ff02::1"],
  ["unspecified", "0.0.0.0", "0.1.2.3", "::", "::ffff:0.0.0.0"],
  [
    "reserved",
    "240.0.0.1",
    "255.255.255.255",
    "192.0.2.1",
    "2001:db8::1",
    "2001::1",
    "fec0::1",
    "100::1",
    "4000::1",
  ],
];

suite("an address", () => {
  for (const [kind, ...texts] of KINDS) {
    test(`is ${kind}: ${texts.join(", ")}`, () => {
      for (const text of texts) {
        const address = parseAddress(text);
        assert(address !== undefined, text);
        assert.equal(kindOf(address), kind, text);
      }
    });
  }

  test("has the bits that its text says", () => {
    fc.assert(
      fc.property(fc.ipV6(), (text) => {
        const address = parseNetwork(text);
        assert(address !== undefined);
        // The system's own reading of the same text.
        const [head = "", tail] = new URL(`http://[${text}]/`).hostname.slice(1, -1).split("::");
        const before = head.split(":").filter(Boolean);
        const after = (tail ?? "").split(":").filter(Boolean);
        const groups = [...before, ...Array<string>(8 - before.length - after.length).fill("0"), ...after];
        const bits = BigInt(`0x${groups.map((group) => group.padStart(4, "0")).join("")}`);
        assert.equal(address.bits, bits);
      }),
    );
  });

  test("and a network are nothing else", () => {
    for (const text of [
      "",
      "localhost",
      "1.2.3",
      "1.2.3.4/33",
      "10.0.0.1/8",
      "::/129",
      "10.0.0.0/ 8",
      "01.2.3.4",
    ]) {
      assert.equal(parseNetwork(text), undefined, text);
    }
  });
});

suite("the policy for calls to the outside", () => {
  const allowed = (networks: readonly string[], text: string): boolean => {
    const address = parseAddress(text);
    assert(address !== undefined);
    return permits({ networks: [...networks] }, address);
  };

  test("allows public addresses alone, as it comes", () => {
    for (const [kind, ...texts] of KINDS) {
      for (const text of texts) assert.equal(allowed([], text), kind === "public", text);
    }
  });

  test("allows what is listed and nothing beside it", () => {
    assert(allowed(["10.1.0.0/16"], "10.1.255.1"));
    assert(allowed(["10.1.0.0/16"], "::ffff:10.1.0.1"));
    assert(!allowed(["10.1.0.0/16"], "10.2.0.1"));
    assert(allowed(["169.254.0.0/16"], "169.254.1.1"));
    assert(!allowed(["169.254.0.0/16"], "169.254.169.254"));
    assert(allowed(["169.254.169.254"], "169.254.169.254"));
    assert(!allowed(["0.0.0.0/0", "::/0"], "127.0.0.1"));
    assert(!allowed(["fc00::/7"], "fd00:ec2::254"));
  });
});

forEachDatabase("the policy `outbound`", (open) => {
  test("is kept with its revision, and refuses entries that are wider than they seem", async () => {
    await using fixture = await catalogue(await open());
    const { db } = fixture.database;
    const before = await readOutboundPolicy(db);
    assert.deepEqual(before.networks, []);
    const set = (policy: Partial<OutboundPolicy>, revision: number): ReturnType<typeof setOutboundPolicy> =>
      setOutboundPolicy(fixture, fixture.actor, { ...PUBLIC_ONLY, ...policy }, revision);
    for (const entry of ["0.0.0.0/0", "::/0", "8.8.8.8", "10.0.0.0/7", "nas.example", "::ffff:127.0.0.1"]) {
      await assert.rejects(set({ networks: [entry] }, before.revision), hasCode("ERR_INPUT"), entry);
    }
    await assert.rejects(set({ authorities: "no certificate" }, before.revision), hasCode("ERR_USAGE"));
    const { certificate } = await testAuthority();
    const broken = certificate.replace(/M/u, "N");
    await assert.rejects(set({ authorities: broken }, before.revision), hasCode("ERR_USAGE"));
    const after = await set({ networks: ["10.0.0.0/8", "::1"], authorities: certificate }, before.revision);
    assert.deepEqual(after.networks, ["10.0.0.0/8", "::1"]);
    assert.equal(after.revision, before.revision + 1);
    await assert.rejects(set({}, before.revision), hasCode("ERR_CHANGED_MEANWHILE"));
    assert.equal(fixture.audited.at(-1)?.action, "policy.change");
  });
});

suite("a call to the outside", () => {
  test("reaches what is allowed, by its name, over TLS that is checked", async () => {
    const authority = await testAuthority();
    await using server = await startWebServer(await authority.issue(["hooks.example"]), (_, response) => {
      response.setHeader("x-a", "b").end("hello");
    });
    const url = `https://hooks.example:${String(server.port)}/path?q`;
    const { certificate: authorities } = authority;
    const known = async (): Promise<string[]> => LOOPBACK;
    const there = outbound({ networks: LOOPBACK, authorities }, known);
    const answer = await there.fetch(url);
    assert.equal(answer.headers.get("x-a"), "b");
    assert.equal(await answer.text(), "hello");
    assert.deepEqual(server.requests, [
      { method: "GET", url: "/path?q", host: `hooks.example:${String(server.port)}` },
    ]);
    const others: readonly (readonly [Outbound, string])[] = [
      [outbound({ networks: LOOPBACK }, known), url],
      [there, url.replace("hooks.example", "other.example")],
    ];
    for (const [other, address] of others) {
      await assert.rejects(other.fetch(address), (error) => {
        assert(isAppError(error, "ERR_OUTBOUND_FAILED"));
        assert.match(error.message, /certificate/u);
        return !error.message.includes("/path");
      });
    }
    assert.equal(server.requests.length, 1);
  });

  test("is refused to every address that is not listed, however it is written", async () => {
    let connections = 0;
    const server = createSocketServer(() => {
      connections += 1;
    }).listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const port = String(portOf(server.address()));
    const { fetch, connect } = outbound({
      plainHttp: ["127.0.0.1", "localhost", "0.0.0.0", "::ffff:7f00:1"],
    });
    for (const host of [
      "127.0.0.1",
      "127.1",
      "2130706433",
      "0x7f.1",
      "localhost",
      "0.0.0.0",
      "[::ffff:127.0.0.1]",
    ]) {
      for (const scheme of ["http", "https"]) {
        await assert.rejects(fetch(`${scheme}://${host}:${port}/`), hasCode("ERR_OUTBOUND_REFUSED"), host);
      }
    }
    for (const host of ["127.0.0.1", "127.1", "localhost", "::ffff:127.0.0.1"]) {
      await assert.rejects(connect({ host, port: Number(port) }), hasCode("ERR_OUTBOUND_REFUSED"), host);
    }
    await assert.rejects(fetch("http://169.254.169.254/latest/meta-data/"), hasCode("ERR_OUTBOUND_REFUSED"));
    assert.equal(connections, 0);
    server.close();
  });

  test("goes to the address that was checked, though the name means another one a moment later", async () => {
    const authority = await testAuthority();
    await using good = await startWebServer(
      await authority.issue(["rebind.example"]),
      (_, response) => response.end("good"),
      "127.0.0.2",
    );
    const { certificate: authorities } = authority;
    let asked = 0;
    const rebinding: Resolve = async () => {
      asked += 1;
      return asked === 1 ? ["127.0.0.2"] : ["127.0.0.1"];
    };
    const { fetch, connect } = outbound({ networks: ["127.0.0.2"], authorities }, rebinding);
    const url = `https://rebind.example:${String(good.port)}/`;
    assert.equal(await (await fetch(url)).text(), "good");
    assert.equal(asked, 1);
    await assert.rejects(fetch(url), hasCode("ERR_OUTBOUND_REFUSED"));
    await assert.rejects(
      connect({ host: "rebind.example", port: good.port }),
      hasCode("ERR_OUTBOUND_REFUSED"),
    );
    // Of several addresses only those that are allowed are tried.
    const both = outbound({ networks: ["127.0.0.2"], authorities }, async () => ["127.0.0.1", "127.0.0.2"]);
    assert.equal(await (await both.fetch(url)).text(), "good");
    const socket = await both.connect({ host: "rebind.example", port: good.port });
    assert.equal(socket.remoteAddress, "127.0.0.2");
    socket.destroy();
  });

  test("follows no redirect", async () => {
    const authority = await testAuthority();
    const certificate = await authority.issue(["a.example"]);
    await using server = await startWebServer(certificate, (_, response) => {
      response.writeHead(302, { location: "http://169.254.169.254/latest/meta-data/" }).end();
    });
    const { fetch } = outbound(
      { networks: LOOPBACK, authorities: authority.certificate },
      async () => LOOPBACK,
    );
    const url = `https://a.example:${String(server.port)}/`;
    for (const redirect of [undefined, "follow", "error"] as const) {
      await assert.rejects(
        fetch(url, redirect === undefined ? {} : { redirect }),
        hasCode("ERR_OUTBOUND_REFUSED"),
      );
    }
    const answer = await fetch(url, { redirect: "manual" });
    assert.equal(answer.status, 302);
    assert.equal(answer.headers.get("location"), "http://169.254.169.254/latest/meta-data/");
  });

  test("is plain HTTP only to hosts listed for it, and sends what it is given", async () => {
    const received: string[] = [];
    const server = createPlainServer((request, response) => {
      const answer = async (): Promise<void> => {
        const { method, headers } = request;
        received.push(`${String(method)} ${String(headers["content-type"])} ${await textOf(request)}`);
        response.writeHead(204).end();
      };
      answer().catch((error: unknown) => response.destroy(error instanceof Error ? error : undefined));
    }).listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const url = `http://127.0.0.1:${String(portOf(server.address()))}/`;
    const post = { method: "POST", body: new URLSearchParams({ a: "b c" }) };
    await assert.rejects(outbound({ networks: LOOPBACK }).fetch(url, post), hasCode("ERR_OUTBOUND_REFUSED"));
    const listed = outbound({ networks: LOOPBACK, plainHttp: LOOPBACK });
    assert.equal((await listed.fetch(url, post)).status, 204);
    const json = { method: "PUT", body: "{}", headers: { "Content-Type": "application/json" } };
    await listed.fetch(url, json);
    await assert.rejects(listed.fetch(url.replace("http:", "ftp:")), hasCode("ERR_OUTBOUND_REFUSED"));
    const withPassword = url.replace("//", "//me:hidden@");
    await assert.rejects(listed.fetch(withPassword), (error) => {
      assert(isAppError(error, "ERR_OUTBOUND_REFUSED"));
      return !error.message.includes("hidden");
    });
    assert.deepEqual(received, [
      "POST application/x-www-form-urlencoded;charset=UTF-8 a=b+c",
      "PUT application/json {}",
    ]);
    server.close();
  });

  test("ends at its limits of size and time, and when it is told to", async () => {
    const authority = await testAuthority();
    await using server = await startWebServer(await authority.issue(["a.example"]), (request, response) => {
      if (request.url === "/silent") return;
      if (request.url === "/slow") response.writeHead(200).write("a");
      else response.end(Buffer.alloc(5000));
    });
    const { fetch } = outbound(
      { networks: LOOPBACK, authorities: authority.certificate },
      async () => LOOPBACK,
    );
    const url = `https://a.example:${String(server.port)}`;
    await assert.rejects(fetch(`${url}/big`, { bytesMax: 4999 }), hasCode("ERR_BODY_TOO_LARGE"));
    assert.equal((await (await fetch(`${url}/big`, { bytesMax: 5000 })).arrayBuffer()).byteLength, 5000);
    for (const path of ["/silent", "/slow"]) {
      await assert.rejects(fetch(url + path, { timeoutMs: 300 }), (error) => {
        assert(isAppError(error, "ERR_OUTBOUND_FAILED"));
        return /in time/u.test(error.message);
      });
    }
    const reason = new Error("enough");
    await assert.rejects(fetch(url, { signal: AbortSignal.abort(reason) }), reason);
    const never = outbound({}, () => new Promise(() => {}));
    await assert.rejects(
      never.fetch("https://never.example", { timeoutMs: 50 }),
      hasCode("ERR_OUTBOUND_FAILED"),
    );
  });

  test("gives a socket whose errors do not end the service before anybody listens to it", async (context) => {
    const { promise: arrived, resolve: arrive } = Promise.withResolvers<Socket>();
    const server = createSocketServer(arrive).listen(0, "127.0.0.1");
    context.after(() => server.close());
    await new Promise((resolve) => server.once("listening", resolve));
    const { connect } = outbound({ networks: LOOPBACK });
    const socket = await connect({ host: "127.0.0.1", port: portOf(server.address()) });
    const closed = new Promise((resolve) => socket.once("close", resolve));
    socket.resume();
    (await arrived).resetAndDestroy();
    assert.equal(await closed, true, "with an error");
  });

  test("says that the database is absent, and nothing of the one that would have been called", async () => {
    // Nothing listens there.
    await using database = openPostgres("postgres://holdfast@127.0.0.1:1/holdfast");
    await assert.rejects(
      outboundOf(database).fetch("https://issuer.example/"),
      hasCode("ERR_DATABASE_UNREACHABLE"),
    );
  });

  test("says what is wrong when nothing listens, or the name is not known", async () => {
    const server = createSocketServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const port = portOf(server.address());
    await new Promise((resolve) => server.close(resolve));
    const { fetch, connect, check } = outbound({ networks: LOOPBACK });
    await assert.rejects(fetch(`https://127.0.0.1:${String(port)}`), hasCode("ERR_OUTBOUND_FAILED"));
    await assert.rejects(connect({ host: "127.0.0.1", port }), hasCode("ERR_OUTBOUND_FAILED"));
    await check("127.0.0.1");
    await assert.rejects(check("::1"), hasCode("ERR_OUTBOUND_REFUSED"));
    const unknown = outbound({}, () => Promise.reject(new Error("ENOTFOUND")));
    await assert.rejects(unknown.check("no.example"), hasCode("ERR_OUTBOUND_FAILED"));
  });
});
