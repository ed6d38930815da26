/**
 * Connections to the storage: kept and used again, made within a time, and trusted before the first byte is sent.
 *
 * A certificate must lead to a known authority and bear the server's name, or have the fingerprint that was given.
 * Nothing turns that off, `NODE_TLS_REJECT_UNAUTHORIZED` neither. TLS sessions are not resumed, so that every connection
 * shows its certificate.
 *
 * @module
 */
import { Agent as HttpAgent, type AgentOptions } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import { connect as connectPlain, type Socket } from "node:net";
import { connect as connectSecure, type TLSSocket } from "node:tls";
import { TransportFailure } from "./transport-failure.ts";

/** Amazon closes an idle connection after about 20 s; one that is closed while a request begins costs a retry. */
const UNUSED_TIMEOUT_MS = 15_000;

export interface ConnectionSettings {
  /** PEM; the well-known authorities when undefined. */
  readonly ca: Buffer | undefined;
  /** 64 hexadecimal digits in lower case. */
  readonly fingerprint: string | undefined;
  readonly connections: number;
  readonly connectTimeoutMs: number;
}

export interface Connections extends Disposable {
  readonly plain: HttpAgent;
  readonly secure: HttpsAgent;
}

type Done = (error: Error | null, socket: Socket) => void;

export function openConnections(settings: ConnectionSettings): Connections {
  const options: AgentOptions = {
    keepAlive: true,
    maxSockets: settings.connections,
    maxFreeSockets: settings.connections,
    timeout: UNUSED_TIMEOUT_MS,
    scheduling: "lifo",
  };
  const plain = new HttpAgent(options);
  const secure = new HttpsAgent({ ...options, maxCachedSessions: 0 });
  const opening = new Opening(settings.connectTimeoutMs);
  plain.createConnection = ({ host, port }, done) => {
    if (done === undefined) return null;
    const socket = connectPlain({ host: host ?? "", port: Number(port), noDelay: true });
    opening.wait(socket, "connect", () => null, done);
    return null;
  };
  secure.createConnection = ({ host, port, servername }, done) => {
    if (done === undefined) return null;
    const socket = connectTrusted(host ?? "", Number(port), servername ?? "", settings);
    opening.wait(socket, "secureConnect", () => checkFingerprint(socket, settings.fingerprint), done);
    return null;
  };
  return {
    plain,
    secure,
    [Symbol.dispose]: () => {
      opening[Symbol.dispose]();
      plain.destroy();
      secure.destroy();
    },
  };
}

function connectTrusted(host: string, port: number, name: string, settings: ConnectionSettings): TLSSocket {
  return connectSecure({
    host,
    port,
    servername: name,
    minVersion: "TLSv1.2",
    ALPNProtocols: ["http/1.1"],
    ...(settings.ca === undefined ? {} : { ca: settings.ca }),
    // A fingerprint alone takes the place of the authorities: checkFingerprint refuses every other certificate.
    rejectUnauthorized: settings.fingerprint === undefined || settings.ca !== undefined,
  });
}

function checkFingerprint(socket: TLSSocket, expected: string | undefined): TransportFailure | null {
  if (expected === undefined) return null;
  const actual: unknown = socket.getPeerCertificate().fingerprint256;
  if (typeof actual === "string" && actual.replaceAll(":", "").toLowerCase() === expected) return null;
  const shown = typeof actual === "string" ? ` (${actual.replaceAll(":", "").toLowerCase()})` : "";
  return new TransportFailure(
    "ERR_STORAGE_UNTRUSTED",
    `its certificate has another fingerprint than the expected one${shown}`,
  );
}

/** Sockets on the way to being connected. */
class Opening implements Disposable {
  readonly #timeoutMs: number;
  readonly #sockets = new Set<Socket>();
  #closed = false;

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
  }

  /** Calls `done` once: with a connected socket that `check` found no fault with, or with an error. */
  wait(socket: Socket, event: "connect" | "secureConnect", check: () => Error | null, done: Done): void {
    this.#sockets.add(socket);
    const timer = setTimeout(() => {
      const seconds = String(Math.round(this.#timeoutMs / 1000));
      socket.destroy(
        new TransportFailure("ERR_STORAGE_TIMEOUT", `no connection came about within ${seconds} s`),
      );
    }, this.#timeoutMs);
    const settle = (error: Error | null): void => {
      clearTimeout(timer);
      this.#sockets.delete(socket);
      socket.off("error", fail);
      if (error !== null) socket.destroy();
      done(error, socket);
    };
    const fail = (error: Error): void => {
      settle(distrust(socket) ?? error);
    };
    socket.once("error", fail);
    socket.once(event, () => {
      settle(check());
    });
    if (this.#closed) socket.destroy(closed());
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    for (const socket of this.#sockets) socket.destroy(closed());
  }
}

function closed(): TransportFailure {
  return new TransportFailure("ERR_STORAGE_UNREACHABLE", "the storage was closed");
}

/** Set by Node.js to a short code, whatever its type says, when the certificate was found wanting. */
function distrust(socket: Socket): TransportFailure | null {
  const code: unknown = Reflect.get(socket, "authorizationError");
  if (code === null || code === undefined || code === "") return null;
  const shown = typeof code === "string" && /^[A-Z0-9_]{1,64}$/.test(code) ? ` (${code})` : "";
  return new TransportFailure("ERR_STORAGE_UNTRUSTED", `its certificate does not verify${shown}`);
}
