/** Enrolment (docs/protocol.md, section 2): whom an agent believes, and what it keeps. */
import assert from "node:assert/strict";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { createServer as createHttpServer, type Server } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import { suite, test, type TestContext } from "node:test";
import { createServer as createTlsServer } from "node:tls";
import { type ErrorCode, isAppError } from "@holdfast/kernel";
import { formatEnrolmentCode } from "@holdfast/protocol";
import { agentStatus, enroll, runAgent } from "../src/index.ts";
import { newAuthority } from "./authority.ts";
import { newScene } from "./enrolment-scene.ts";
import { portOf, ScriptedService } from "./scripted-service.ts";

const hasCode =
  (code: ErrorCode) =>
  (error: unknown): boolean =>
    isAppError(error, code);

/** Counts what comes through it. */
async function newProxy(
  context: TestContext,
  answer: number,
): Promise<{
  readonly url: string;
  readonly asked: string[];
  readonly authorizations: (string | undefined)[];
}> {
  const [asked, authorizations]: [string[], (string | undefined)[]] = [[], []];
  const proxy: Server = createHttpServer();
  proxy.on("connect", (request, socket, head) => {
    asked.push(request.url ?? "");
    authorizations.push(request.headers["proxy-authorization"]);
    const [host, port] = (request.url ?? "").split(":");
    if (answer !== 200) {
      socket.end(`HTTP/1.1 ${String(answer)} No\r\n\r\n`);
      return;
    }
    const target = connect(Number(port), host, () => {
      socket.write("HTTP/1.1 200 OK\r\n\r\n");
      target.write(head);
      target.pipe(socket).pipe(target);
    });
    target.on("error", () => socket.destroy());
    socket.on("error", () => target.destroy());
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  context.after(() => proxy.close());
  return { url: `http://127.0.0.1:${String(portOf(proxy))}`, asked, authorizations };
}

suite("Enrolment", { timeout: 600_000 }, () => {
  test("leaves an identity that only this user can read", async (context) => {
    const { service, stateDir, options } = await newScene(context);
    assert.deepEqual(await enroll(options()), { device: service.device, stateDir });
    assert.equal(statSync(stateDir).mode & 0o777, 0o700);
    for (const name of readdirSync(stateDir).filter((file) => file !== "lock")) {
      assert.equal(statSync(join(stateDir, name)).mode & 0o777, 0o600, name);
    }
    const identity = JSON.parse(readFileSync(join(stateDir, "identity.json"), "utf8"));
    const certificate = new X509Certificate(identity.certificate);
    assert.match(certificate.subject, new RegExp(service.device));
    assert.ok(certificate.checkPrivateKey(createPrivateKey(readFileSync(join(stateDir, identity.key)))));
    const status = await agentStatus(stateDir);
    assert.equal(status.device, service.device);
    assert.equal(status.isRunning, false);
  });

  test("is refused where there is an identity already", async (context) => {
    const { stateDir, options } = await newScene(context);
    await enroll(options());
    const before = readFileSync(join(stateDir, "identity.json"));
    await assert.rejects(enroll(options()), hasCode("ERR_AGENT_STATE"));
    assert.deepEqual(readFileSync(join(stateDir, "identity.json")), before);
  });

  test("sends nothing to a service whose authority does not have the pin", async (context) => {
    const { service, stateDir, options } = await newScene(context);
    const code = service.newCode(Buffer.alloc(16, 7));
    await assert.rejects(enroll(options({ code })), hasCode("ERR_SERVICE_UNTRUSTED"));
    assert.equal(service.requests, 0);
    assert.ok(!existsSync(join(stateDir, "identity.json")));
  });

  test("sends nothing to somebody who shows the right authority's certificate beside his own", async (context) => {
    const { service, options } = await newScene(context);
    const own = await newAuthority();
    const right = service.script.authority;
    const impostor = new ScriptedService({
      authority: { ...own, serverChain: own.serverChain.replace(own.certificate, right.certificate) },
    });
    await impostor.listen();
    context.after(() => impostor.close());
    const code = impostor.newCode(right.pin);
    await assert.rejects(enroll(options({ code, service: impostor.url })), hasCode("ERR_SERVICE_UNTRUSTED"));
    assert.equal(impostor.requests, 0);
  });

  test("wants a certificate for agents.holdfast.internal", async (context) => {
    const { options } = await newScene(context);
    const other = new ScriptedService({ authority: await newAuthority(["example.org"]) });
    await other.listen();
    context.after(() => other.close());
    const wrong = options({ service: other.url, code: other.newCode() });
    await assert.rejects(enroll(wrong), hasCode("ERR_SERVICE_UNTRUSTED"));
    assert.equal(other.requests, 0);
  });

  test("refuses TLS 1.2", async (context) => {
    const { service, options } = await newScene(context);
    const { serverKey: key, serverChain: cert } = service.script.authority;
    const old = createTlsServer({ key, cert, maxVersion: "TLSv1.2" });
    await new Promise<void>((resolve) => old.listen(0, "127.0.0.1", resolve));
    context.after(() => old.close());
    const url = `https://127.0.0.1:${String(portOf(old))}`;
    await assert.rejects(enroll(options({ service: url })), hasCode("ERR_SERVICE_UNREACHABLE"));
  });

  test("says that a code was used or has expired", async (context) => {
    const { service, options } = await newScene(context);
    const code = formatEnrolmentCode({ secret: Buffer.alloc(16, 1), pin: service.script.authority.pin });
    await assert.rejects(enroll(options({ code })), (error: unknown) => {
      assert.ok(isAppError(error, "ERR_ENROLMENT_CODE"));
      assert.ok(!error.message.includes(code) && error.remedy !== undefined);
      return true;
    });
  });

  test("tells a typing error without asking anybody", async (context) => {
    const { stateDir, options } = await newScene(context);
    const code = options().code.replace(/^./u, (digit) => (digit === "0" ? "1" : "0"));
    const nowhere = "https://127.0.0.1:1";
    await assert.rejects(enroll(options({ code, service: nowhere })), hasCode("ERR_ENROLMENT_CODE"));
    assert.ok(!existsSync(stateDir));
    await assert.rejects(enroll(options({ service: nowhere })), hasCode("ERR_SERVICE_UNREACHABLE"));
    await assert.rejects(enroll(options({ service: "http://127.0.0.1" })), hasCode("ERR_USAGE"));
  });

  test("passes a proxy, with the name and password of its URL", async (context) => {
    const { service, options } = await newScene(context);
    const { url, asked, authorizations } = await newProxy(context, 200);
    const environment = { HTTPS_PROXY: url.replace("//", "//ada:s%20t@") };
    await enroll(options({ environment }));
    // Once to look at the certificates, once to enroll.
    const target = `127.0.0.1:${String(service.port)}`;
    assert.deepEqual(asked, [target, target]);
    assert.equal(authorizations[0], `Basic ${Buffer.from("ada:s t").toString("base64")}`);
  });

  test("goes straight where NO_PROXY says so, and says what a proxy refuses", async (context) => {
    const { stateDir, options } = await newScene(context);
    const { url, asked } = await newProxy(context, 407);
    const refused = enroll(options({ environment: { https_proxy: url } }));
    await assert.rejects(refused, (error: unknown) => {
      assert.ok(isAppError(error, "ERR_SERVICE_UNREACHABLE"));
      assert.match(error.message, /407/u);
      return true;
    });
    assert.equal(asked.length, 1);
    await enroll(options({ environment: { https_proxy: url, no_proxy: "example.org, 127.0.0.1" } }));
    assert.equal(asked.length, 1);
    assert.ok(existsSync(join(stateDir, "identity.json")));
  });

  test("keeps the proxy it was given for the agent's runs", async (context) => {
    const { service, stateDir, options } = await newScene(context);
    const { url, asked } = await newProxy(context, 200);
    await enroll(options({ proxy: url }));
    assert.equal(asked.length, 2);
    const ending = new AbortController();
    const running = runAgent({ stateDir, signal: ending.signal, log: () => undefined, environment: {} });
    await service.until(() => service.seen("hello").length > 0);
    assert.equal(asked.length, 3);
    ending.abort();
    await running;
  });
});
