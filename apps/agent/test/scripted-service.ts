/** The service's side of docs/protocol.md on loopback, as far as a test scripts it: real TLS, real WebSockets. */
import { createServer, type Server } from "node:https";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Server as NetServer } from "node:net";
import { randomBytes } from "node:crypto";
import type { TLSSocket } from "node:tls";
import { sealToPublicKey } from "@holdfast/crypto";
import { newId } from "@holdfast/kernel";
import {
  agentMessage,
  type AgentMessage,
  type AgentTask,
  CHANNEL_PATH,
  END_KINDS,
  ENROLL_PATH,
  type EnrollAnswer,
  enrollRequest,
  formatEnrolmentCode,
  leaseContext,
  type LeasePayload,
  type RunEvent,
  type ServiceMessage,
} from "@holdfast/protocol";
import { type WebSocket, WebSocketServer } from "ws";
import type { TestAuthority } from "./authority.ts";

type Of<T extends AgentMessage["type"]> = Extract<AgentMessage, { type: T }>;

export interface ServiceScript {
  readonly authority: TestAuthority;
  heartbeatMs: number;
  leaseMs: number;
  acknowledges: boolean;
  /** Moves leases with its beats. */
  renewsLeases: boolean;
  /** What a lease of a run holds; a string refuses it with this code. */
  grant: (run: string) => LeasePayload | undefined;
  validMs: number | undefined;
}

interface Answered {
  readonly status: number;
  readonly body: unknown;
}

export interface Seen {
  readonly number: number;
  readonly event: RunEvent;
}

export class ScriptedService {
  readonly script: ServiceScript;
  readonly messages: AgentMessage[] = [];
  readonly #events = new Map<string, Seen[]>();
  readonly #leases: { readonly lease: string; until: number }[] = [];
  readonly #sockets = new Set<WebSocket>();
  readonly #connections = new Set<TLSSocket>();
  readonly #waiting = new Set<() => void>();
  readonly #secrets = new Set<string>();
  readonly device: string;
  requests = 0;
  /** Hears and answers nothing. */
  mute = false;
  /** Takes the device's certificate. */
  knows = true;
  /** Whom it welcomes, whoever comes. */
  welcomes: string | undefined;
  /** Of the certificates that devices came with, in order. */
  readonly serials: string[] = [];
  /** Issues another certificate than the one that is asked for, by a request (PKCS #10, DER). */
  renew: ((request: Buffer) => Promise<string>) | undefined;
  /** Answers an enrolment with something else. */
  enrolls: ((request: Buffer, answer: EnrollAnswer) => Promise<Answered> | Answered) | undefined;
  /** Of channels that ended, in order. */
  readonly closeCodes: number[] = [];
  connections = 0;
  leasesGiven = 0;
  #server: Server | undefined;
  #port = 0;

  constructor(script: Pick<ServiceScript, "authority"> & Partial<ServiceScript>, device = newId("dev")) {
    this.device = device;
    this.script = {
      heartbeatMs: 15_000,
      leaseMs: 900_000,
      acknowledges: true,
      renewsLeases: true,
      grant: () => ({ storages: {} }),
      validMs: undefined,
      ...script,
    };
  }

  get url(): string {
    return `https://127.0.0.1:${String(this.#port)}`;
  }

  get port(): number {
    return this.#port;
  }

  newCode(pin: Buffer = this.script.authority.pin): string {
    const secret = randomBytes(16);
    this.#secrets.add(secret.toString("base64"));
    return formatEnrolmentCode({ secret, pin });
  }

  async listen(): Promise<void> {
    const { certificate, serverKey, serverChain } = this.script.authority;
    const server = createServer({
      key: serverKey,
      cert: serverChain,
      ca: certificate,
      requestCert: true,
      rejectUnauthorized: false,
      minVersion: "TLSv1.3",
    });
    const sockets = new WebSocketServer({
      noServer: true,
      handleProtocols: (offered) => [...offered][0] ?? false,
    });
    server.on("request", (request, response) => {
      this.requests += 1;
      void this.#answerRequest(request, response);
    });
    server.on("upgrade", (request: IncomingMessage, socket: TLSSocket, head: Buffer) => {
      socket.on("error", () => undefined);
      const isKnown =
        this.knows &&
        socket.authorized &&
        socket.getPeerX509Certificate()?.subject.includes(this.device) === true;
      if (!isKnown || request.url !== CHANNEL_PATH) {
        socket.end("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        return;
      }
      this.serials.push(socket.getPeerX509Certificate()?.serialNumber ?? "");
      this.#connections.add(socket);
      socket.once("close", () => this.#connections.delete(socket));
      sockets.handleUpgrade(request, socket, head, (ws) => this.#attach(ws));
    });
    server.on("tlsClientError", () => undefined);
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(this.#port, "127.0.0.1", resolve));
    this.#port = portOf(server);
  }

  async close(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    for (const socket of this.#sockets) socket.terminate();
    await new Promise((resolve) => {
      server.close(resolve);
      server.closeAllConnections();
    });
  }

  drop(): void {
    for (const socket of this.#sockets) socket.terminate();
  }

  closeChannels(code: number, reason: string): void {
    for (const socket of this.#sockets) socket.close(code, reason);
  }

  send(message: ServiceMessage): void {
    this.sendText(JSON.stringify(message));
  }

  sendText(text: string | Buffer): void {
    for (const socket of this.#sockets) socket.send(text);
  }

  /** Bytes that need not be a frame. @returns false when more should wait until they have left. */
  sendBytes(bytes: Buffer): boolean {
    return [...this.#connections].every((socket) => socket.write(bytes));
  }

  start(task: AgentTask, run = newId("run")): string {
    this.send({ type: "start", run, task });
    return run;
  }

  eventsOf(run: string): readonly Seen[] {
    return this.#events.get(run) ?? [];
  }

  async end(run: string): Promise<RunEvent> {
    await this.until(() => this.eventsOf(run).some(({ event }) => END_KINDS.has(event.kind)));
    const end = this.eventsOf(run).find(({ event }) => END_KINDS.has(event.kind));
    if (end === undefined) throw new Error("there is no end");
    return end.event;
  }

  seen<T extends AgentMessage["type"]>(type: T): Of<T>[] {
    return this.messages.filter((message): message is Of<T> => message.type === type);
  }

  /** Looks again after every message; a test that waits for ever is ended by its own time-out. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      await new Promise<void>((resolve) => {
        this.#waiting.add(resolve);
      });
    }
  }

  #tell(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const resolve of waiting) resolve();
  }

  async #answerRequest(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { status, body } = await this.#enroll(request);
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  }

  async #enroll(request: IncomingMessage): Promise<Answered> {
    const parts: Buffer[] = [];
    for await (const part of request) if (Buffer.isBuffer(part)) parts.push(part);
    if (request.url !== ENROLL_PATH) return { status: 404, body: {} };
    const parsed = enrollRequest.parse(JSON.parse(Buffer.concat(parts).toString()));
    if (!this.#secrets.delete(parsed.secret)) {
      const detail = "The code is wrong, used or expired.";
      return { status: 403, body: { code: "ERR_ENROLMENT_CODE", detail, remedy: "Ask for another." } };
    }
    const { authority, validMs } = this.script;
    const der = Buffer.from(parsed.certificateRequest, "base64");
    const certificate = await authority.issueClient(der, this.device, validMs);
    const answer = { device: this.device, certificate, authority: authority.certificate };
    return this.enrolls?.(der, answer) ?? { status: 201, body: answer };
  }

  #attach(ws: WebSocket): void {
    this.#sockets.add(ws);
    this.connections += 1;
    ws.on("close", (code) => {
      this.closeCodes.push(code);
      this.#sockets.delete(ws);
      this.#tell();
    });
    ws.on("error", () => undefined);
    ws.on("message", (data: Buffer) => {
      const message = agentMessage.parse(JSON.parse(data.toString("utf8")));
      this.messages.push(message);
      void this.#answer(message, ws).then(() => this.#tell());
    });
  }

  async #answer(message: AgentMessage, ws: WebSocket): Promise<void> {
    if (this.mute) return;
    const reply = (answer: ServiceMessage): void => ws.send(JSON.stringify(answer));
    const { heartbeatMs, leaseMs } = this.script;
    if (message.type === "hello")
      reply({ type: "welcome", device: this.welcomes ?? this.device, heartbeatMs, leaseMs });
    if (message.type === "beat") {
      if (this.script.renewsLeases) for (const lease of this.#leases) lease.until = Date.now() + leaseMs;
      reply({ type: "beat", leases: this.#leases });
    }
    if (message.type === "event") {
      const events = this.#events.get(message.run) ?? [];
      this.#events.set(message.run, events);
      if (message.number > events.length + 1) throw new Error("an event is missing");
      if (message.number === events.length + 1) events.push(message);
      if (this.script.acknowledges) reply({ type: "acknowledge", run: message.run, number: events.length });
    }
    if (message.type === "request") await this.#answerQuestion(message, reply);
  }

  async #answerQuestion(
    { id, request }: Of<"request">,
    reply: (answer: ServiceMessage) => void,
  ): Promise<void> {
    const { leaseMs } = this.script;
    if (request.kind === "renew") {
      const der = Buffer.from(request.certificateRequest, "base64");
      const certificate = await (this.renew?.(der) ?? this.script.authority.issueClient(der, this.device));
      reply({ type: "answer", id, answer: { kind: "renew", certificate } });
      return;
    }
    const payload = this.script.grant(request.run);
    if (payload === undefined) {
      const error = { code: "ERR_LEASE_ENDED", message: "The run has no lease." } as const;
      reply({ type: "refusal", id, error });
      return;
    }
    this.leasesGiven += 1;
    const lease = { lease: newId("lease"), until: Date.now() + leaseMs };
    this.#leases.push(lease);
    const context = leaseContext({ device: this.device, run: request.run, ...lease });
    const publicKey = Buffer.from(request.publicKey, "base64");
    const sealed = sealToPublicKey(publicKey, context, Buffer.from(JSON.stringify(payload)));
    reply({ type: "answer", id, answer: { kind: "lease", ...lease, sealed: sealed.toString("base64") } });
  }
}

export function portOf(server: NetServer): number {
  const address = server.address();
  if (typeof address === "object" && address !== null) return address.port;
  throw new Error("the server does not listen");
}
