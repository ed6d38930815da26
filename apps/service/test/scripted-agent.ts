/**
 * Agents that do what a test says, over real TLS.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { request as httpsRequest } from "node:https";
import { connect, type TLSSocket } from "node:tls";
// oxlint-disable-next-line import/no-unassigned-import -- it only has to be there before the next one
import "reflect-metadata";
import * as x509 from "@peculiar/x509";
import {
  AGENT_SERVER_NAME,
  type AgentMessage,
  CHANNEL_PATH,
  CHANNEL_SUBPROTOCOL,
  enrollAnswer,
  parseEnrolmentCode,
  type RunEvent,
  type ServiceMessage,
  serviceMessage,
} from "@holdfast/protocol";
import { WebSocket } from "ws";
import type { TestService } from "./device-fixture.ts";

export interface AgentKeys {
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Buffer;
  /** PEM, PKCS #8. */
  readonly privateKey: string;
  /** PKCS #10, base 64. */
  readonly request: string;
}

export async function newAgentKeys(curve = "P-256"): Promise<AgentKeys> {
  const algorithm = { name: "ECDSA", namedCurve: curve, hash: "SHA-256" };
  const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: "CN=whoever",
    keys,
    signingAlgorithm: algorithm,
  });
  const pkcs8 = Buffer.from(await crypto.subtle.exportKey("pkcs8", keys.privateKey));
  return {
    publicKey: Buffer.from(await crypto.subtle.exportKey("spki", keys.publicKey)),
    privateKey: x509.PemConverter.encode(pkcs8, "PRIVATE KEY"),
    request: Buffer.from(request.rawData).toString("base64"),
  };
}

/** As a device has it after enrolment. */
export interface Identity {
  readonly deviceId: string;
  readonly certificate: string;
  readonly privateKey: string;
  readonly authority: string;
}

export async function postEnroll(
  service: Pick<TestService, "port" | "authority">,
  body: unknown,
): Promise<{ status: number; body: unknown }> {
  const text = JSON.stringify(body);
  const call = httpsRequest({
    host: "127.0.0.1",
    port: service.port,
    path: "/agent/v1/enroll",
    method: "POST",
    servername: AGENT_SERVER_NAME,
    ca: service.authority.certificate,
    agent: false,
    headers: { "content-type": "application/json", "content-length": Buffer.byteLength(text) },
  });
  call.end(text);
  const [response] = await once(call, "response");
  let answer = "";
  for await (const chunk of response) answer += String(chunk);
  return { status: response.statusCode, body: JSON.parse(answer) };
}

export const PLATFORM = {
  system: "linux",
  release: "6.1",
  architecture: "x64",
  hostname: "web-1",
} as const;

export async function enrolDevice(
  service: Pick<TestService, "port" | "authority" | "enrolmentCode">,
): Promise<Identity> {
  const { secret } = parseEnrolmentCode(await service.enrolmentCode());
  const { privateKey, request } = await newAgentKeys();
  const { status, body } = await postEnroll(service, {
    secret: secret.toString("base64"),
    certificateRequest: request,
    name: "web-1",
    platform: PLATFORM,
  });
  assert.equal(status, 201);
  const answer = enrollAnswer.parse(body);
  return {
    deviceId: answer.device,
    certificate: answer.certificate,
    privateKey,
    authority: answer.authority,
  };
}

type Of<T extends ServiceMessage["type"]> = Extract<ServiceMessage, { type: T }>;

/** A channel that does what it is told, and keeps what it hears. */
export interface ScriptedAgent {
  readonly socket: WebSocket;
  readonly heard: readonly ServiceMessage[];
  readonly send: (message: AgentMessage) => void;
  readonly sendText: (text: string | Buffer) => void;
  readonly hello: (runs?: { run: string; nextEvent: number }[], methods?: ("gcm" | "cbc")[]) => void;
  readonly event: (run: string, number: number, event: RunEvent) => void;
  /** The next message of this type that was not taken yet. */
  readonly next: <T extends ServiceMessage["type"]>(type: T) => Promise<Of<T>>;
  /** The code with which the service closes. */
  readonly closed: Promise<number>;
  readonly close: () => Promise<void>;
}

/** Long: it ends a wait for what never comes, on a machine that is busy too. */
const WAIT_MS = 60_000;

export function dial(
  port: number,
  identity: Pick<Identity, "certificate" | "privateKey" | "authority">,
  protocols: string | string[] = CHANNEL_SUBPROTOCOL,
): ScriptedAgent {
  const options = {
    servername: AGENT_SERVER_NAME,
    ca: identity.authority,
    ...(identity.certificate === "" ? {} : { cert: identity.certificate, key: identity.privateKey }),
  };
  const socket = new WebSocket(`wss://127.0.0.1:${String(port)}${CHANNEL_PATH}`, protocols, options);
  const heard: ServiceMessage[] = [];
  const untaken: ServiceMessage[] = [];
  const waiting = new Set<() => void>();
  socket.on("message", (data: Buffer) => {
    const message = serviceMessage.parse(JSON.parse(data.toString("utf8")));
    heard.push(message);
    untaken.push(message);
    for (const look of waiting) look();
  });
  const closed = new Promise<number>((resolve) => {
    socket.on("close", (code: number) => {
      resolve(code);
      for (const look of waiting) look();
    });
  });
  socket.on("error", () => {});
  const send = (message: AgentMessage): void => socket.send(JSON.stringify(message));
  return {
    socket,
    heard,
    send,
    sendText: (text) => socket.send(text),
    hello: (runs = [], methods = ["gcm", "cbc"]) => {
      send({ type: "hello", version: "0.1.0", platform: PLATFORM, methods, runs });
    },
    event: (run, number, event) => {
      send({ type: "event", run, number, at: Date.now(), event });
    },
    next: (type) =>
      new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          waiting.delete(look);
          reject(new Error(`no ${type} came; heard ${heard.map((message) => message.type).join(", ")}`));
        }, WAIT_MS);
        const look = (): void => {
          const found = untaken.find((message): message is Of<typeof type> => message.type === type);
          if (found === undefined && socket.readyState !== WebSocket.CLOSED) return;
          clearTimeout(timer);
          waiting.delete(look);
          if (found === undefined) reject(new Error(`closed before ${type} came`));
          else {
            untaken.splice(untaken.indexOf(found), 1);
            resolve(found);
          }
        };
        waiting.add(look);
        look();
      }),
    closed,
    close: async () => {
      socket.close();
      await closed;
    },
  };
}

/** An agent that is through with `hello`. */
export async function connectAgent(
  service: Pick<TestService, "port">,
  identity: Identity,
  runs: { run: string; nextEvent: number }[] = [],
  methods: ("gcm" | "cbc")[] = ["gcm", "cbc"],
): Promise<ScriptedAgent> {
  const agent = dial(service.port, identity);
  await once(agent.socket, "open");
  agent.hello(runs, methods);
  await agent.next("welcome");
  return agent;
}

/** What an attempt to open a channel is answered, when it is not opened. */
export async function refusedUpgrade(
  port: number,
  identity: Pick<Identity, "certificate" | "privateKey" | "authority">,
): Promise<{ status: number | undefined; code: unknown }> {
  const agent = dial(port, identity);
  const refused = once(agent.socket, "unexpected-response");
  agent.socket.once("open", () => agent.socket.emit("error", new Error("the channel was opened")));
  const [, response] = await refused;
  let body = "";
  for await (const chunk of response) body += String(chunk);
  return { status: response.statusCode, code: JSON.parse(body).code };
}

export async function tlsConnect(port: number, servername: string, ca: string): Promise<TLSSocket> {
  const socket = connect({ host: "127.0.0.1", port, servername, ca, rejectUnauthorized: false });
  await once(socket, "secureConnect");
  return socket;
}
