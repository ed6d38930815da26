/**
 * Connections to the server, kept for the next request, and what makes one trusted.
 *
 * A connection is handed out only when the server's certificate has been checked: by a chain to the machine's roots or to
 * the given authority and the host's name (RFC 9525), or by being exactly the pinned certificate. There is no third way.
 * A plain connection goes to this machine, or was allowed.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { Agent, type ClientRequestArgs } from "node:http";
import { isIP, type Socket, connect as connectPlain } from "node:net";
import type { Duplex } from "node:stream";
import { connect as connectTls, TLSSocket } from "node:tls";
import { AppError, errorCode } from "@holdfast/kernel";
import { networkFailure, timeoutFailure, untrusted } from "./failures.ts";
import { isLoopbackAddress, type WebdavLocation } from "./location.ts";

/** With less, the socket would be stopped and started for each piece of an answer. */
const READING = { highWaterMark: 512 * 1024 };

export interface Connecting {
  readonly location: WebdavLocation;
  readonly allowPlainHttp: boolean;
  /** Certificates (PEM) that are trusted instead of the machine's. */
  readonly authorities: string | undefined;
  /** SHA-256 of the server's certificate in DER, 32 bytes. */
  readonly pin: Buffer | undefined;
  /** For reaching the server and agreeing on keys. */
  readonly timeoutMs: number;
}

/** @throws {AppError} `ERR_USAGE` unless it is 64 hexadecimal digits, with or without colons. */
export function parseFingerprint(text: string): Buffer {
  const digits = text.replaceAll(":", "");
  if (/^[0-9a-f]{64}$/i.test(digits)) return Buffer.from(digits, "hex");
  throw new AppError("ERR_USAGE", "The fingerprint of the server's certificate is not a SHA-256.", {
    remedy: "Take it from `openssl x509 -in server.pem -noout -fingerprint -sha256`.",
  });
}

/** Serves plain and TLS connections alike, so it is to be used with `http.request` only. */
export class ConnectionPool extends Agent {
  readonly #connecting: Connecting;
  readonly #unready = new Set<Socket>();
  #closed = false;

  constructor(connecting: Connecting) {
    super({ keepAlive: true });
    this.#connecting = connecting;
  }

  override createConnection(
    _options: ClientRequestArgs,
    callback?: (error: Error | null, stream: Duplex) => void,
  ): undefined {
    const socket = open(this.#connecting);
    this.#unready.add(socket);
    if (this.#closed) socket.destroy(new Error("closed"));
    whenReady(socket, this.#connecting, (failure) => {
      this.#unready.delete(socket);
      if (failure !== null) socket.destroy();
      callback?.(failure, socket);
    });
  }

  override destroy(): void {
    this.#closed = true;
    for (const socket of this.#unready) socket.destroy(new Error("closed"));
    super.destroy();
  }
}

function open({ location, authorities, pin }: Connecting): Socket {
  const { host, port } = location;
  if (!location.tls) return connectPlain({ host, port, noDelay: true, ...READING });
  const socket = connectTls({
    host,
    port,
    ...READING,
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ...(authorities === undefined ? {} : { ca: authorities }),
    // A pinned certificate needs no chain; `checkPin` then decides alone, before a byte is sent.
    rejectUnauthorized: pin === undefined || authorities !== undefined,
    minVersion: "TLSv1.2",
    ALPNProtocols: ["http/1.1"],
  });
  return socket.setNoDelay(true);
}

function whenReady(socket: Socket, connecting: Connecting, done: (failure: AppError | null) => void): void {
  const { location, timeoutMs } = connecting;
  const finish = (failure: AppError | null): void => {
    clearTimeout(timer);
    socket.removeAllListeners(socket instanceof TLSSocket ? "secureConnect" : "connect");
    socket.off("error", failed).off("close", closed);
    // Between two users of the socket nobody else may be listening.
    socket.on("error", () => undefined);
    done(failure);
  };
  const failed = (error: Error): void => {
    finish(connectFailure(error, socket, connecting));
  };
  const closed = (): void => {
    finish(networkFailure(new Error("closed"), location.text));
  };
  const timer = setTimeout(() => {
    finish(timeoutFailure("There was no connection to", location.text));
  }, timeoutMs);
  socket.once("error", failed).once("close", closed);
  if (socket instanceof TLSSocket) socket.once("secureConnect", () => finish(checkPin(socket, connecting)));
  else socket.once("connect", () => finish(checkAddress(socket, connecting)));
}

function connectFailure(error: Error, socket: Socket, { location }: Connecting): AppError {
  const unverified = socket instanceof TLSSocket && isSet(socket.authorizationError);
  if (!unverified) return networkFailure(error, location.text);
  return untrusted(
    location.text,
    `its certificate does not verify (${errorCode(error) ?? error.message})`,
    "Give the authority that signed its certificate, or the certificate's SHA-256 fingerprint after comparing it on the server.",
    error,
  );
}

/** Null or undefined when all is well, whatever the declared type says. */
function isSet(value: unknown): boolean {
  return value !== undefined && value !== null;
}

function checkPin(socket: TLSSocket, { location, pin }: Connecting): AppError | null {
  if (pin === undefined) return null;
  const certificate = socket.getPeerX509Certificate();
  const digest =
    certificate === undefined ? undefined : createHash("sha256").update(certificate.raw).digest();
  if (digest?.equals(pin) === true) return null;
  return untrusted(
    location.text,
    "its certificate is not the pinned one",
    "If the certificate was renewed, compare the new fingerprint on the server itself and pin that one.",
  );
}

/** A name such as localhost may have been given another meaning. */
function checkAddress(socket: Socket, { location, allowPlainHttp }: Connecting): AppError | null {
  if (allowPlainHttp || isLoopbackAddress(socket.remoteAddress ?? "")) return null;
  return untrusted(
    location.text,
    "it is on another machine, and the connection is not encrypted",
    "Use webdavs://, or allow plain HTTP where the network itself is encrypted.",
  );
}
