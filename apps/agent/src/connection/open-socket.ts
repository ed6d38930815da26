/**
 * TLS 1.3 to the service, straight or through an HTTP proxy (docs/protocol.md, section 1).
 *
 * @module
 */
import { request } from "node:http";
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { AppError } from "@holdfast/kernel";
import { AGENT_SERVER_NAME } from "@holdfast/protocol";
import type { ProxyAddress, ServiceAddress } from "./service-address.ts";

/** For all of it: proxy, TCP and TLS. */
const CONNECT_MS = 30_000;

export interface Route {
  readonly service: ServiceAddress;
  readonly proxy: ProxyAddress | undefined;
}

/** Whom the agent trusts, and who it says it is. PEM. */
export interface Trust {
  readonly authority: string;
  readonly certificate?: string;
  readonly privateKey?: string;
}

/**
 * Opens a connection that only the service with a certificate of this authority can be at the other end of.
 *
 * @throws AppError `ERR_SERVICE_UNREACHABLE`, `ERR_SERVICE_UNTRUSTED`, `ERR_CANCELLED`.
 */
export function openTrustedSocket(route: Route, trust: Trust, signal: AbortSignal): Promise<TLSSocket> {
  const { authority, certificate, privateKey } = trust;
  return openSocket(route, signal, {
    ca: [authority],
    rejectUnauthorized: true,
    ...(certificate === undefined ? {} : { cert: certificate }),
    ...(privateKey === undefined ? {} : { key: privateKey }),
  });
}

/** Anybody may be at the other end: look at its certificates, and send nothing. */
export function openUntrustedSocket(route: Route, signal: AbortSignal): Promise<TLSSocket> {
  return openSocket(route, signal, { rejectUnauthorized: false });
}

interface TlsTrust {
  readonly ca?: string[];
  readonly cert?: string;
  readonly key?: string;
  readonly rejectUnauthorized: boolean;
}

async function openSocket(route: Route, signal: AbortSignal, trust: TlsTrust): Promise<TLSSocket> {
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(CONNECT_MS)]);
  let raw: Socket | undefined;
  try {
    raw =
      route.proxy === undefined ? await openTcp(route.service, deadline) : await openTunnel(route, deadline);
    return await secure(raw, deadline, trust);
  } catch (error) {
    raw?.destroy();
    if (signal.aborted) throw new AppError("ERR_CANCELLED", "Connecting to the service was stopped.");
    throw connectFailure(error, route);
  }
}

function openTcp({ host, port }: ServiceAddress, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connectTcp({ host, port, keepAlive: true });
    onceReady(socket, "connect", signal, () => resolve(socket), reject);
  });
}

/** RFC 9110, section 9.3.6. */
function openTunnel({ service, proxy }: Route, signal: AbortSignal): Promise<Socket> {
  const { host, port } = service;
  const authority = host.includes(":") ? `[${host}]:${String(port)}` : `${host}:${String(port)}`;
  const authorization = proxy?.authorization;
  return new Promise((resolve, reject) => {
    const asked = request({
      host: proxy?.host,
      port: proxy?.port,
      method: "CONNECT",
      path: authority,
      headers: {
        host: authority,
        ...(authorization === undefined ? {} : { "proxy-authorization": authorization }),
      },
      signal,
    });
    const refuse = (status: number | undefined): void => {
      reject(new ProxyRefusal(`the proxy answered ${String(status)}`));
      asked.destroy();
    };
    asked.once("error", reject);
    // Without CONNECT in its answer a proxy may send an ordinary one.
    asked.once("response", ({ statusCode }) => refuse(statusCode));
    asked.once("connect", ({ statusCode }, socket, early) => {
      // Nobody may speak before TLS does.
      if (statusCode === 200 && early.length === 0) return resolve(socket);
      // The request has let go of it, and a proxy need not.
      socket.destroy();
      return refuse(statusCode);
    });
    asked.end();
  });
}

class ProxyRefusal extends Error {
  override readonly name = "ProxyRefusal";
}

function secure(raw: Socket, signal: AbortSignal, trust: TlsTrust): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({
      ...trust,
      socket: raw,
      servername: AGENT_SERVER_NAME,
      minVersion: "TLSv1.3",
      ALPNProtocols: ["http/1.1"],
    });
    onceReady(socket, "secureConnect", signal, () => resolve(socket), reject);
  });
}

/** Settles once, and leaves no listener behind. */
function onceReady(
  socket: Socket,
  event: "connect" | "secureConnect",
  signal: AbortSignal,
  resolve: () => void,
  reject: (error: unknown) => void,
): void {
  const settle = (then: () => void): void => {
    socket.off("error", fail).off("close", end).off(event, ready);
    signal.removeEventListener("abort", abort);
    then();
  };
  const ready = (): void => settle(resolve);
  const fail = (error: Error): void => settle(() => reject(error));
  const end = (): void => fail(new Error("the connection was closed"));
  const abort = (): void => {
    settle(() => reject(signal.reason));
    socket.on("error", () => undefined);
    socket.destroy();
  };
  socket.once(event, ready).once("error", fail).once("close", end);
  signal.addEventListener("abort", abort, { once: true });
  if (signal.aborted) abort();
}

/** What Node.js and OpenSSL say of a certificate that the authority did not issue for this name. */
const UNTRUSTED =
  /CERT|SELF_SIGNED|UNABLE_TO_(?:GET|VERIFY)|ERR_TLS_CERT_ALTNAME_INVALID|SIGNATURE_FAILURE|INVALID_(?:CA|PURPOSE)/u;

function connectFailure(error: unknown, { service, proxy }: Route): AppError {
  const reason = reasonOf(error);
  const subject = service.origin;
  if (UNTRUSTED.test(reason) && !reason.includes("ALERT")) {
    return new AppError(
      "ERR_SERVICE_UNTRUSTED",
      `Whoever answers at ${subject} is not the service that this device trusts (${reason}).`,
      {
        subject,
        remedy: "Check the address; when the service was set up anew, enroll the device again.",
        cause: error,
      },
    );
  }
  const way = proxy === undefined ? "" : ` through the proxy ${proxy.host}:${String(proxy.port)}`;
  return new AppError(
    "ERR_SERVICE_UNREACHABLE",
    `The service at ${subject} cannot be reached${way}: ${reason}.`,
    {
      subject,
      remedy: "Check the address, the network, and whether the service runs.",
      cause: error,
    },
  );
}

function reasonOf(error: unknown): string {
  if (error instanceof ProxyRefusal) return error.message;
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0]);
  if (error instanceof Error && "code" in error && typeof error.code === "string") return error.code;
  if (error instanceof Error && error.name === "TimeoutError") return "it did not answer in time";
  return error instanceof Error ? error.message : "it failed";
}
