/** Which hosts SFTP talks to, and what its URLs mean. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHmac } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite, test } from "node:test";
import { type ErrorCode, isAppError } from "@holdfast/kernel";
import { fingerprint } from "../src/sftp/host-trust.ts";
import { namesHost, parseKnownHosts } from "../src/sftp/known-hosts.ts";
import { knownHostName, parseSftpLocation } from "../src/sftp/location.ts";
import { openSftp, type SftpOptions } from "../src/sftp/sftp-driver.ts";
import { hasCode } from "./memory-driver.ts";
import { scratchFolder } from "./scratch-folder.ts";
import { MemorySftpServer } from "./servers/memory-sftp-server.ts";
import { makeKey, sshdMissing } from "./servers/sftp-server.ts";

const ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBOIT2nSRxv3CvqmqaOdRZqXnk8Lbp6BuzyLTEaEFcA3";

suite("SFTP: known_hosts", () => {
  test("names, patterns and their negation", () => {
    assert(namesHost("nas", "nas"));
    assert(namesHost("other,NAS", "nas"));
    assert(namesHost("*.example.com", "nas.example.com"));
    assert(namesHost("10.0.0.?", "10.0.0.7"));
    assert(namesHost("[nas]:2222", "[nas]:2222"));
    assert(!namesHost("nas", "[nas]:2222"));
    assert(!namesHost("[nas]:2222", "nas"));
    assert(!namesHost("n.s", "nas"));
    assert(!namesHost("nas", "nas2"));
    assert(!namesHost("*.example.com,!nas.example.com", "nas.example.com"));
    assert(!namesHost("!nas", "other"));
  });

  test("hashed names", () => {
    const salt = Buffer.from("0123456789abcdefghij");
    const hash = createHmac("sha1", salt).update("[nas]:2222").digest("base64");
    const names = `|1|${salt.toString("base64")}|${hash}`;
    assert(namesHost(names, "[nas]:2222"));
    assert(!namesHost(names, "nas"));
    assert(!namesHost(`|2|${salt.toString("base64")}|${hash}`, "[nas]:2222"));
    assert(!namesHost("|1|", "nas"));
  });

  test("what ssh-keygen hashes", { skip: sshdMissing }, async () => {
    await using scratch = await scratchFolder();
    const path = join(scratch.path, "known_hosts");
    await writeFile(path, `nas ${ED25519}\n[nas]:2222,10.0.0.7 ${ED25519}\n`);
    execFileSync("ssh-keygen", ["-q", "-H", "-f", path], { stdio: "ignore" });
    const text = await readFile(path, "utf8");
    assert.doesNotMatch(text, /nas/);
    const lines = parseKnownHosts(text);
    for (const name of ["nas", "[nas]:2222", "10.0.0.7"]) {
      assert.equal(lines.filter(({ names }) => namesHost(names, name)).length, 1, name);
    }
  });

  test("lines that are none are passed over", () => {
    const text = [
      "# comment",
      "",
      "nas",
      "nas ssh-ed25519",
      "nas ssh-ed25519 AAAA",
      `nas ssh-rsa ${ED25519.split(" ")[1] ?? ""}`,
      `@other nas ${ED25519}`,
      `@revoked nas ${ED25519} comment`,
      `@cert-authority\t*.example.com  ${ED25519}`,
      `  nas ${ED25519}\r`,
    ].join("\n");
    const lines = parseKnownHosts(text);
    assert.deepEqual(
      lines.map(({ marker, names }) => [marker, names]),
      [
        ["revoked", "nas"],
        ["cert-authority", "*.example.com"],
        [undefined, "nas"],
      ],
    );
  });

  test("fingerprints are those of ssh-keygen", { skip: sshdMissing }, async () => {
    await using scratch = await scratchFolder();
    for (const type of ["ed25519", "ecdsa", "rsa"]) {
      const path = makeKey(join(scratch.path, type), type);
      const printed = execFileSync("ssh-keygen", ["-l", "-f", `${path}.pub`], { encoding: "utf8" });
      const [line] = parseKnownHosts(`nas ${await readFile(`${path}.pub`, "utf8")}`);
      assert(line !== undefined);
      assert.equal(fingerprint(line.key), printed.split(" ")[1]);
    }
  });
});

suite("SFTP: the host's key", () => {
  async function attempt(
    server: MemorySftpServer,
    known: string,
    options: Partial<SftpOptions> = {},
  ): Promise<void> {
    await using scratch = await scratchFolder();
    const path = join(scratch.path, "known_hosts");
    await writeFile(path, known);
    const attempts = server.attempts;
    try {
      await using driver = await openSftp(server.url("/~/"), {
        knownHosts: [join(scratch.path, "missing"), path],
        credentials: () => Promise.resolve({ password: server.password }),
        ...options,
      });
      assert.equal(driver.location, server.url("/~/"));
    } catch (error) {
      assert.equal(server.attempts, attempts, "credentials went to a host that is not trusted");
      throw error;
    }
  }

  /** Naming the fingerprint in the message, and what can be done. */
  function refusal(server: MemorySftpServer, remedy: RegExp): (error: unknown) => boolean {
    return (error) => {
      assert(isAppError(error, "ERR_STORAGE_UNTRUSTED"));
      assert(error.message.includes(fingerprint(server.hostKey)), error.message);
      assert.match(error.remedy ?? "", remedy);
      return true;
    };
  }

  test("known, it is trusted; unknown, it is not", async () => {
    await using server = await new MemorySftpServer().start();
    await attempt(server, server.knownHostsLine);
    await assert.rejects(attempt(server, ""), refusal(server, /ssh -p \d+ user@127\.0\.0\.1/));
    const elsewhere = server.knownHostsLine.replace(/\]:\d+/, "]:1");
    await assert.rejects(attempt(server, elsewhere), refusal(server, /ssh -p/));
  });

  test("changed, it is refused, also when another type of key is known", async () => {
    await using server = await new MemorySftpServer().start();
    await using other = await new MemorySftpServer().start();
    const changed = other.knownHostsLine.replace(/\]:\d+/, `]:${String(server.port)}`);
    await assert.rejects(attempt(server, changed), refusal(server, /ssh-keygen -R/));
    await attempt(server, changed + server.knownHostsLine);
  });

  test("revoked, it is refused, whatever else is known or pinned", async () => {
    await using server = await new MemorySftpServer().start();
    const line = server.knownHostsLine;
    await assert.rejects(attempt(server, `${line}@revoked ${line}`), refusal(server, /new key/));
    const fingerprints = [fingerprint(server.hostKey)];
    await assert.rejects(attempt(server, `@revoked ${line}`, { fingerprints }), refusal(server, /new key/));
  });

  test("known by an authority only, it is refused as not supported", async () => {
    await using server = await new MemorySftpServer().start();
    const line = server.knownHostsLine.replace(/^\S+/, "@cert-authority *");
    await assert.rejects(attempt(server, line), (error) => {
      assert(isAppError(error));
      assert.match(error.message, /not supported/);
      return refusal(server, /fingerprint/)(error);
    });
  });

  test("pinned, nothing else counts", async () => {
    await using server = await new MemorySftpServer().start();
    await using other = await new MemorySftpServer().start();
    const pinned = [fingerprint(other.hostKey), fingerprint(server.hostKey)];
    await attempt(server, "", { fingerprints: pinned });
    await attempt(server, "", { fingerprints: [`${fingerprint(server.hostKey)}=`] });
    const wrong = attempt(server, server.knownHostsLine, { fingerprints: [fingerprint(other.hostKey)] });
    await assert.rejects(wrong, refusal(server, /fingerprint/));
    await assert.rejects(attempt(server, "", { fingerprints: [] }), refusal(server, /fingerprint/));
    for (const malformed of ["", "SHA256:", "MD5:00", "anything"]) {
      await assert.rejects(attempt(server, "", { fingerprints: [malformed] }), hasCode("ERR_USAGE"));
    }
  });

  test("an RSA key is trusted with signatures of SHA-2", async () => {
    await using server = await new MemorySftpServer({ keyType: "rsa" }).start();
    await attempt(server, server.knownHostsLine);
  });

  test("a file of known hosts that cannot be read is no file without revocations", async () => {
    await using server = await new MemorySftpServer().start();
    await using scratch = await scratchFolder();
    const reading = attempt(server, "", { knownHosts: [scratch.path] });
    await assert.rejects(reading, hasCode("ERR_STORAGE_UNTRUSTED"));
  });
});

suite("SFTP: locations", () => {
  for (const [text, expected] of [
    ["sftp://user@nas/srv/back%20ups/", ["user", "nas", 22, "/srv/back ups", false]],
    ["sftp://user@NAS.Example.com:2222/", ["user", "nas.example.com", 2222, "/", false]],
    ["sftp://a%40b@nas//srv//x", ["a@b", "nas", 22, "/srv/x", false]],
    ["sftp://user@nas/~/backups", ["user", "nas", 22, "backups", true]],
    ["sftp://user@nas/~", ["user", "nas", 22, "", true]],
    ["sftp://user@nas/~other/x", ["user", "nas", 22, "/~other/x", false]],
    ["sftp://user@[2001:DB8::1]:2222/srv", ["user", "2001:db8::1", 2222, "/srv", false]],
  ] as const) {
    test(`${text} is understood, and its text for messages means the same`, () => {
      const { user, host, port, path, fromHome, url } = parseSftpLocation(text);
      assert.deepEqual([user, host, port, path, fromHome], expected);
      assert.deepEqual(parseSftpLocation(url), parseSftpLocation(new URL(text)));
    });
  }

  test("known_hosts names the port unless it is 22", () => {
    assert.equal(knownHostName(parseSftpLocation("sftp://u@nas:22/x")), "nas");
    assert.equal(knownHostName(parseSftpLocation("sftp://u@nas:2222/x")), "[nas]:2222");
    assert.equal(knownHostName(parseSftpLocation("sftp://u@[::1]:2222/x")), "[::1]:2222");
    assert.equal(knownHostName(parseSftpLocation("sftp://u@[::1]/x")), "::1");
  });

  const refusals: readonly (readonly [string, ErrorCode])[] = [
    ["sftp://user:secret@nas/x", "ERR_USAGE"],
    ["sftp://nas", "ERR_USAGE"],
    ["sftp:///secret", "ERR_USAGE"],
    ["sftp://u@nas/x?password=secret", "ERR_USAGE"],
    ["sftp://u@nas/x#secret", "ERR_USAGE"],
    ["sftp://u@nas/secret%00", "ERR_USAGE"],
    ["sftp://u@nas/a%2f..%2fsecret", "ERR_USAGE"],
    ["sftp://u@nas/%zzsecret", "ERR_USAGE"],
    ["sftp://u@-oProxyCommand=secret/x", "ERR_USAGE"],
    ["sftp://u@nas:0/x", "ERR_USAGE"],
    ["sftp://u@nas:70000/secret", "ERR_USAGE"],
    ["http://secret@nas/x", "ERR_USAGE"],
  ];
  for (const [text, code] of refusals) {
    test(`${text} is refused without being repeated`, () => {
      assert.throws(
        () => parseSftpLocation(text),
        (error) => {
          assert(isAppError(error, code));
          assert.doesNotMatch(`${error.stack ?? ""} ${String(error.remedy)}`, /secret/);
          return true;
        },
      );
    });
  }
});
