/**
 * The one way out: whatever the process of the service itself calls (issuers of single sign-on, mail servers, webhooks) goes
 * through here (docs/security.md, section 6).
 *
 * @module
 */
import { connect as connectSocket, type Socket } from "node:net";
import { getCACertificates } from "node:tls";
import type { OutboundPolicy } from "@holdfast/protocol";
import type { Db } from "../database/database.ts";
import { databaseAbsent, isDatabaseAbsent } from "../database/failures.ts";
import { outboundFailure } from "./failures.ts";
import { type Exchange, exchange, type OutboundInit } from "./fetch.ts";
import { certificatesOf, readOutboundPolicy } from "./outbound-policy.ts";
import { type Resolve, type ResolvedAddress, resolvePermitted, systemResolve } from "./resolve.ts";

export interface ConnectOptions {
  readonly host: string;
  readonly port: number;
  readonly timeoutMs?: number;
}

export interface Outbound {
  /**
   * As the standard's `fetch`, for a library that takes one. Redirects are never followed: with `redirect: "manual"` the answer is given
   * back as it came, otherwise it is an error. The body has been read whole.
   *
   * @throws AppError `ERR_OUTBOUND_REFUSED`, `ERR_OUTBOUND_FAILED`, `ERR_BODY_TOO_LARGE`; the reason of `signal`.
   */
  readonly fetch: (url: string | URL, init?: OutboundInit) => Promise<Response>;
  /**
   * A connected socket without TLS, for protocols that begin it themselves; whoever gets it destroys it.
   *
   * @throws AppError `ERR_OUTBOUND_REFUSED`, `ERR_OUTBOUND_FAILED`.
   */
  readonly connect: (options: ConnectOptions) => Promise<Socket>;
  /** Certificates that are trusted, for TLS of one's own over such a socket; undefined: those of the program. */
  readonly authorities: () => Promise<readonly string[] | undefined>;
  /** @throws AppError `ERR_OUTBOUND_REFUSED`, `ERR_OUTBOUND_FAILED` for a name that is not known. */
  readonly check: (host: string) => Promise<void>;
}

export interface OutboundPorts {
  readonly readPolicy: () => Promise<OutboundPolicy>;
  readonly resolve?: Resolve;
}

const CONNECT_TIMEOUT_MS = 10_000;

/** With the policy of the database, read for each call. @throws AppError besides: `ERR_DATABASE_UNREACHABLE`. */
export function outboundOf({ db }: { readonly db: Db }): Outbound {
  return createOutbound({
    readPolicy: async () => {
      try {
        return await readOutboundPolicy(db);
      } catch (error) {
        // Not to be taken for a failure of the one that is called.
        throw isDatabaseAbsent(error) ? databaseAbsent(error) : error;
      }
    },
  });
}

export function createOutbound({ readPolicy, resolve = systemResolve }: OutboundPorts): Outbound {
  const ways: Exchange = {
    find: async (host) => {
      const policy = await readPolicy();
      const addresses = await resolvePermitted(host, policy, resolve);
      const plainHttp = policy.plainHttp.some((name) => name.toLowerCase() === host.toLowerCase());
      return { addresses, plainHttp, authorities: authoritiesOf(policy) };
    },
  };
  return {
    fetch: (url, init = {}) => exchange(ways, new URL(url), init),
    connect: async ({ host, port, timeoutMs = CONNECT_TIMEOUT_MS }) => {
      const { addresses } = await ways.find(host);
      return connectToFirst(addresses, { host, port, timeoutMs });
    },
    authorities: async () => authoritiesOf(await readPolicy()),
    check: async (host) => {
      await ways.find(host);
    },
  };
}

function authoritiesOf({ authorities }: OutboundPolicy): readonly string[] | undefined {
  const own = certificatesOf(authorities);
  return own.length === 0 ? undefined : [...getCACertificates("default"), ...own];
}

async function connectToFirst(
  addresses: readonly ResolvedAddress[],
  { host, port, timeoutMs }: Required<ConnectOptions>,
): Promise<Socket> {
  let failure: unknown;
  const share = Math.ceil(timeoutMs / addresses.length);
  for (const { address } of addresses) {
    try {
      return await connectTo(address, port, share);
    } catch (error) {
      failure = error;
    }
  }
  throw outboundFailure(`${host}:${String(port)}`, failure);
}

function connectTo(host: string, port: number, timeoutMs: number): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const socket = connectSocket({ host, port });
  const fail = (error: Error): void => {
    socket.destroy();
    reject(error);
  };
  socket.setTimeout(timeoutMs, () => fail(Object.assign(new Error("no answer"), { code: "ETIMEDOUT" })));
  socket.once("error", fail).once("connect", () => {
    socket.setTimeout(0).removeAllListeners("timeout");
    // Until somebody else listens: an error that nobody hears would end the service. It closes the socket all the same.
    socket.off("error", fail).on("error", () => undefined);
    resolve(socket);
  });
  return promise;
}
