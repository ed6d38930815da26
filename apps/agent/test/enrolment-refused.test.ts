/** What an agent takes from nobody while it is enrolled (docs/protocol.md, section 2), not even from whoever made the code. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { suite, test, type TestContext } from "node:test";
import { type ErrorCode, isAppError } from "@holdfast/kernel";
import type { EnrollAnswer } from "@holdfast/protocol";
import { enroll } from "../src/index.ts";
import { certificateRequest, newDeviceKey } from "../src/identity/certificate-request.ts";
import { lockFolder } from "../src/state/folder-lock.ts";
import { newAuthority } from "./authority.ts";
import { newScene } from "./enrolment-scene.ts";
import { portOf } from "./scripted-service.ts";

const isRefused =
  (code: ErrorCode) =>
  (error: unknown): boolean =>
    isAppError(error, code) && error.remedy !== undefined;

/** Whoever connects gets these bytes as the answer to his first ones; who stays connected keeps the test from ending. */
async function newAnswering(context: TestContext, answer: string | Buffer): Promise<number> {
  const server = createServer((socket: Socket) => {
    socket.on("error", () => undefined);
    socket.once("data", () => socket.write(answer));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  context.after(
    () =>
      new Promise((resolve) => {
        server.close(resolve);
      }),
  );
  return portOf(server);
}

type Answer = (request: Buffer, answer: EnrollAnswer) => Promise<{ status: number; body: unknown }>;

const created = (answer: EnrollAnswer, more: Partial<EnrollAnswer>): ReturnType<Answer> =>
  Promise.resolve({ status: 201, body: { ...answer, ...more } });

const WRONG: readonly (readonly [string, ErrorCode, Answer])[] = [
  [
    "another authority than the one that was proved",
    "ERR_PROTOCOL",
    async (_, answer) => created(answer, { authority: (await newAuthority()).certificate }),
  ],
  [
    "a certificate that another authority issued",
    "ERR_PROTOCOL",
    async (request, answer) =>
      created(answer, { certificate: await (await newAuthority()).issueClient(request, answer.device) }),
  ],
  ["no certificate", "ERR_PROTOCOL", (_, answer) => created(answer, { certificate: "none" })],
  ["a device that is none", "ERR_PROTOCOL", (_, answer) => created(answer, { device: "../../etc" })],
  [
    "more than it may be",
    "ERR_SERVICE_UNREACHABLE",
    (_, answer) => created(answer, { certificate: " ".repeat(70_000) }),
  ],
  [
    "an error that there is not",
    "ERR_PROTOCOL",
    () => Promise.resolve({ status: 403, body: { code: "toString", detail: "No." } }),
  ],
];

suite("An enrolment", { timeout: 120_000 }, () => {
  for (const [what, code, answer] of WRONG) {
    test(`answered with ${what} leaves no identity`, async (context) => {
      const { service, stateDir, options } = await newScene(context);
      service.enrolls = answer;
      await assert.rejects(enroll(options()), isRefused(code));
      assert.ok(!existsSync(join(stateDir, "identity.json")));
    });
  }

  test("answered with a certificate over another key leaves no identity", async (context) => {
    const { service, stateDir, options } = await newScene(context);
    const { authority } = service.script;
    service.enrolls = async (_, answer) => {
      const request = certificateRequest(newDeviceKey());
      return created(answer, { certificate: await authority.issueClient(request, answer.device) });
    };
    await assert.rejects(enroll(options()), isRefused("ERR_PROTOCOL"));
    assert.ok(!existsSync(join(stateDir, "identity.json")));
  });

  test("does not begin in the folder of an agent that runs", async (context) => {
    const { service, stateDir, options } = await newScene(context);
    mkdirSync(stateDir, { mode: 0o700 });
    using _ = lockFolder(stateDir);
    await assert.rejects(enroll(options()), isRefused("ERR_AGENT_RUNNING"));
    assert.equal(service.requests, 0);
  });

  test("tells a name that the service takes, whatever the machine is called", async (context) => {
    const { service, options } = await newScene(context);
    // The scripted service refuses what the schema of the request does not allow.
    await enroll(options({ name: `a\nb${"x".repeat(500)}` }));
    assert.equal(service.requests, 1);
  });

  test("does not tell a broken handshake from somebody else's certificate by the word in its alert", async (context) => {
    const { options } = await newScene(context);
    // A fatal `bad_certificate` (RFC 8446, section 6.2): it is this side's that is meant.
    const port = await newAnswering(context, Buffer.from([0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x2a]));
    const url = `https://127.0.0.1:${String(port)}`;
    await assert.rejects(enroll(options({ service: url })), isRefused("ERR_SERVICE_UNREACHABLE"));
  });

  test("lets nobody speak before TLS does, and leaves no connection to a proxy behind", async (context) => {
    const { options } = await newScene(context);
    const port = await newAnswering(context, "HTTP/1.1 200 OK\r\n\r\nearly");
    const proxy = `http://127.0.0.1:${String(port)}`;
    await assert.rejects(enroll(options({ proxy })), (error: unknown) => {
      assert.ok(isAppError(error, "ERR_SERVICE_UNREACHABLE"));
      assert.match(error.message, /the proxy answered 200/u);
      return true;
    });
  });

  for (const [what, wrong] of [
    ["a service with a password", { service: "https://ada:secret@127.0.0.1" }],
    ["a service with a path", { service: "https://127.0.0.1/secret" }],
    ["a proxy of another protocol", { proxy: "https://ada:secret@127.0.0.1" }],
  ] as const) {
    test(`refuses ${what}, and does not repeat it`, async (context) => {
      const { stateDir, options } = await newScene(context);
      await assert.rejects(enroll(options(wrong)), (error: unknown) => {
        assert.ok(isAppError(error, "ERR_USAGE"));
        assert.doesNotMatch(`${error.message} ${error.remedy ?? ""}`, /secret/u);
        return true;
      });
      assert.ok(!existsSync(stateDir));
    });
  }
});
