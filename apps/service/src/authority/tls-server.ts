/**
 * The one TLS 1.3 port of the service, for agents and browsers (docs/protocol.md, section 1): the server name decides which
 * certificate is shown. Client certificates are asked for naming only the authority, and judged by who needs one.
 *
 * @module
 */
import type { RequestListener } from "node:http";
import { createServer, type Server } from "node:https";
import { createSecureContext, type SecureContext, type SecureContextOptions } from "node:tls";
import type { Clock } from "@holdfast/kernel";
import { AGENT_SERVER_NAME } from "@holdfast/protocol";
import type { Authority } from "./authority.ts";
import { RENEW_BEFORE_MS, type ServerNames } from "./certificates.ts";

const HANDSHAKE_TIMEOUT_MS = 15_000;
/** Who takes longer to say what he wants is cut: connections are not for keeping. */
const HEADERS_TIMEOUT_MS = 15_000;
/** Of the whole request: bodies have 1 MiB at most. */
const REQUEST_TIMEOUT_MS = 60_000;
/**
 * So long a connection is kept between requests: longer than proxies and browsers keep theirs (60 s), since who sends a request at the
 * moment at which it is closed gets no answer.
 */
const KEEP_ALIVE_MS = 72_000;
const TIMEOUT_CHECK_MS = 5000;
const CHECK_MS = 3600 * 1000;

export interface TlsOptions {
  readonly authority: Authority;
  readonly clock: Pick<Clock, "now">;
  /** For browsers: names to issue a certificate for, or the administrator's own files, as PEM. */
  readonly browser: ServerNames | { readonly certificate: string; readonly key: string };
}

export interface TlsPort {
  /** For `serverFactory` of Fastify, or on its own. May be called once. */
  readonly createServer: (handler: RequestListener) => Server;
  /** Issues new certificates when the present ones come to their end. Called every hour; tests call it themselves. */
  readonly renew: () => Promise<void>;
  /** Ends the hourly look. */
  readonly stop: () => void;
}

interface Shown {
  readonly options: SecureContextOptions;
  /** Infinity: not ours to renew. */
  readonly expiresAt: number;
}

/** Makes the certificates; the server itself listens later. */
export async function prepareTls(options: TlsOptions): Promise<TlsPort> {
  const { authority, clock } = options;
  let agents = await showAgents(authority);
  let agentContext = contextOf(agents);
  let browser = await showBrowser(options);
  let server: Server | undefined;

  const renew = async (): Promise<void> => {
    const soon = clock.now() + RENEW_BEFORE_MS;
    if (agents.expiresAt <= soon) {
      agents = await showAgents(authority);
      agentContext = contextOf(agents);
    }
    if (browser.expiresAt <= soon) {
      browser = await showBrowser(options);
      server?.setSecureContext(browser.options);
    }
  };
  const timer = setInterval(() => {
    // The present certificates go on being used, and the next look tries again.
    renew().catch(() => undefined);
  }, CHECK_MS);
  timer.unref();

  return {
    createServer: (handler) => {
      server = createServer(
        {
          ...browser.options,
          requestCert: true,
          // Browsers have none; who needs one asks `readClientCertificate`.
          rejectUnauthorized: false,
          handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
          headersTimeout: HEADERS_TIMEOUT_MS,
          requestTimeout: REQUEST_TIMEOUT_MS,
          keepAliveTimeout: KEEP_ALIVE_MS,
          connectionsCheckingInterval: TIMEOUT_CHECK_MS,
          SNICallback: (name, answer) => {
            answer(null, name === AGENT_SERVER_NAME ? agentContext : undefined);
          },
        },
        handler,
      );
      return server;
    },
    renew,
    stop: () => {
      clearInterval(timer);
    },
  };
}

async function showAgents(authority: Authority): Promise<Shown> {
  const issued = await authority.issueServer({ dns: [AGENT_SERVER_NAME], addresses: [] });
  return { options: shown(authority, issued.pem, issued.key), expiresAt: issued.expiresAt };
}

async function showBrowser({ authority, browser }: TlsOptions): Promise<Shown> {
  if ("dns" in browser) {
    const issued = await authority.browserCertificate(browser);
    return { options: shown(authority, issued.pem, issued.key), expiresAt: issued.expiresAt };
  }
  return { options: shown(authority, browser.certificate, browser.key), expiresAt: Number.POSITIVE_INFINITY };
}

function shown(authority: Authority, cert: string, key: string): SecureContextOptions {
  return { cert, key, ca: authority.certificate, minVersion: "TLSv1.3" };
}

function contextOf({ options }: Shown): SecureContext {
  return createSecureContext(options);
}
