/**
 * What is said to an issuer of OpenID Connect: discovery, and the authorization code flow with PKCE, state, nonce and the check of `iss`
 * (OpenID Connect Core 1.0, RFC 7636, RFC 9207, RFC 9700).
 *
 * The signature of the ID token is verified against the issuer's keys even though it came over TLS.
 *
 * @module
 */
import { AppError, type Clock, isAppError } from "@holdfast/kernel";
import * as client from "openid-client";
import type { Outbound } from "../../outbound/outbound.ts";

/** This service, as a provider knows it. */
export interface IssuerClient {
  readonly providerName: string;
  readonly issuer: string;
  readonly clientId: string;
  /** Undefined: a public client. */
  readonly secret: string | undefined;
  readonly scopes: readonly string[];
}

/** What binds an answer to its question. */
export interface FlowChecks {
  readonly redirectUri: string;
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
}

export interface Redemption extends FlowChecks {
  /** Query of the address that the browser came back to. */
  readonly query: string;
  /** Seconds since the person may have signed in at the provider; undefined: at any time. */
  readonly maxAgeSeconds: number | undefined;
}

export type Claims = Readonly<Record<string, unknown>> & { readonly sub: string };

export interface Issuers {
  /** Where the browser goes. `fresh`: the person has to sign in there again. @throws AppError `ERR_OUTBOUND_FAILED`, `ERR_OUTBOUND_REFUSED`. */
  readonly authorizationUrl: (client: IssuerClient, checks: FlowChecks, fresh: boolean) => Promise<string>;
  /** Of ID token and userinfo. @throws AppError `ERR_SIGN_IN_FAILED`, `ERR_OUTBOUND_FAILED`, `ERR_OUTBOUND_REFUSED`. */
  readonly redeem: (client: IssuerClient, redemption: Redemption) => Promise<Claims>;
  /** What the issuer says of itself now, with its signing keys. @throws AppError as `authorizationUrl`. */
  readonly inspect: (client: IssuerClient, redirectUri: string) => Promise<Inspection>;
}

export interface Inspection {
  readonly metadata: client.ServerMetadata;
  readonly signingKeyCount: number;
  /** Undefined: the issuer did not refuse the client. */
  readonly clientRefusal: string | undefined;
}

/** Clocks differ; also how much older than the question a fresh sign-in may seem. */
const TOLERANCE_SECONDS = 60;
const TIMEOUT_SECONDS = 15;
const METADATA_MS = 10 * 60_000;

interface KnownMetadata {
  readonly metadata: client.ServerMetadata;
  readonly at: number;
}

/** What issuers say of themselves is kept for ten minutes. */
export function createIssuers({
  outbound,
  clock,
}: {
  readonly outbound: Pick<Outbound, "fetch">;
  readonly clock: Pick<Clock, "monotonic">;
}): Issuers {
  const known = new Map<string, KnownMetadata>();
  const metadataOf = async (who: IssuerClient): Promise<client.ServerMetadata> => {
    const kept = known.get(who.issuer);
    if (kept !== undefined && clock.monotonic() - kept.at < METADATA_MS) return kept.metadata;
    const metadata = await discover(who, outbound.fetch);
    known.set(who.issuer, { metadata, at: clock.monotonic() });
    return metadata;
  };
  return {
    authorizationUrl: async (who, checks, fresh) => {
      const configuration = configure(who, await metadataOf(who), outbound.fetch);
      return buildUrl(configuration, who, checks, fresh);
    },
    redeem: async (who, redemption) =>
      redeem(who, configure(who, await metadataOf(who), outbound.fetch), redemption),
    inspect: async (who, redirectUri) => {
      known.delete(who.issuer);
      const metadata = await metadataOf(who);
      const configuration = configure(who, metadata, outbound.fetch);
      return {
        metadata,
        signingKeyCount: await countKeys(who, metadata, outbound.fetch),
        clientRefusal: await tryClient(configuration, redirectUri),
      };
    },
  };
}

/**
 * The issuer as a URL.
 *
 * @throws AppError `ERR_USAGE` unless it is https, or http on this machine, without anything but a path.
 */
export function checkIssuer(issuer: string): URL {
  const url = URL.parse(issuer);
  const plain = url !== null && url.username === "" && url.password === "" && !/[?#]/u.test(issuer);
  if (plain && !issuer.includes("/.well-known/")) {
    if (url.protocol === "https:" || (url.protocol === "http:" && isLoopback(url))) return url;
  }
  throw new AppError(
    "ERR_USAGE",
    "The issuer is not an https:// address such as https://login.example.com.",
    {
      subject: "issuer",
      remedy: "Copy the issuer as the provider shows it, without /.well-known/ and without a query.",
    },
  );
}

function isLoopback({ hostname }: URL): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127\.\d+\.\d+\.\d+$/u.test(hostname);
}

async function discover(who: IssuerClient, fetch: Outbound["fetch"]): Promise<client.ServerMetadata> {
  const url = checkIssuer(who.issuer);
  try {
    const found = await client.discovery(url, who.clientId, undefined, client.None(), {
      timeout: TIMEOUT_SECONDS,
      execute: url.protocol === "http:" ? [client.allowInsecureRequests] : [],
      [client.customFetch]: fetch,
    });
    const metadata = found.serverMetadata();
    // The library lets issuers of some makers speak for many tenants; here one issuer is one set of people.
    if (new URL(metadata.issuer).href === url.href) return metadata;
    throw new Error(`it says that it is ${metadata.issuer.slice(0, 200)}`);
  } catch (error) {
    throw unreachable(who, error);
  }
}

function configure(
  who: IssuerClient,
  metadata: client.ServerMetadata,
  fetch: Outbound["fetch"],
): client.Configuration {
  const configuration = new client.Configuration(
    metadata,
    who.clientId,
    { [client.clockTolerance]: TOLERANCE_SECONDS },
    clientAuth(who, metadata),
  );
  configuration[client.customFetch] = fetch;
  configuration.timeout = TIMEOUT_SECONDS;
  if (checkIssuer(who.issuer).protocol === "http:") client.allowInsecureRequests(configuration);
  client.enableNonRepudiationChecks(configuration);
  return configuration;
}

/** `client_secret_basic` is what an issuer has that does not say (OpenID Connect Discovery, section 3). */
function clientAuth({ secret }: IssuerClient, metadata: client.ServerMetadata): client.ClientAuth {
  if (secret === undefined) return client.None();
  const methods = metadata.token_endpoint_auth_methods_supported ?? ["client_secret_basic"];
  return methods.includes("client_secret_basic")
    ? client.ClientSecretBasic(secret)
    : client.ClientSecretPost(secret);
}

async function buildUrl(
  configuration: client.Configuration,
  who: IssuerClient,
  { redirectUri, state, nonce, verifier }: FlowChecks,
  fresh: boolean,
): Promise<string> {
  const url = client.buildAuthorizationUrl(configuration, {
    redirect_uri: redirectUri,
    scope: [...new Set(["openid", ...who.scopes])].join(" "),
    state,
    nonce,
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
    ...(fresh ? { prompt: "login", max_age: "0" } : {}),
  });
  const own = checkIssuer(who.issuer);
  // The issuer names it, and the browser is sent there.
  if (url.protocol === "https:" || (own.protocol === "http:" && isLoopback(url))) return url.href;
  throw unreachable(who, new Error("its page to sign in is not https"));
}

async function redeem(
  who: IssuerClient,
  configuration: client.Configuration,
  { redirectUri, query, state, nonce, verifier, maxAgeSeconds }: Redemption,
): Promise<Claims> {
  const url = new URL(redirectUri);
  url.search = query;
  try {
    const tokens = await client.authorizationCodeGrant(configuration, url, {
      expectedState: state,
      expectedNonce: nonce,
      pkceCodeVerifier: verifier,
      idTokenExpected: true,
      ...(maxAgeSeconds === undefined ? {} : { maxAge: maxAgeSeconds }),
    });
    const claims = tokens.claims();
    if (claims === undefined) throw new Error("there is no ID token");
    if (configuration.serverMetadata().userinfo_endpoint === undefined) return claims;
    const more = await client.fetchUserInfo(configuration, tokens.access_token, claims.sub);
    // What is signed comes first.
    return { ...more, ...claims };
  } catch (error) {
    throw refused(who, error);
  }
}

async function countKeys(
  who: IssuerClient,
  { jwks_uri: uri }: client.ServerMetadata,
  fetch: Outbound["fetch"],
): Promise<number> {
  if (uri === undefined) return 0;
  try {
    const answer: unknown = await (await fetch(uri)).json();
    if (typeof answer !== "object" || answer === null || !("keys" in answer)) return 0;
    return Array.isArray(answer.keys) ? answer.keys.length : 0;
  } catch (error) {
    throw unreachable(who, error);
  }
}

/** With a code that nobody was given: who refuses the client says so before it looks at the code. */
async function tryClient(
  configuration: client.Configuration,
  redirectUri: string,
): Promise<string | undefined> {
  try {
    await client.genericGrantRequest(configuration, "authorization_code", {
      code: "test-of-the-configuration",
      redirect_uri: redirectUri,
      code_verifier: "test-of-the-configuration-test-of-the-configuration",
    });
  } catch (error) {
    if (
      !(error instanceof client.ResponseBodyError) &&
      !(error instanceof client.WWWAuthenticateChallengeError)
    ) {
      return reasonOf(error);
    }
    const code = error instanceof client.ResponseBodyError ? error.error : "invalid_client";
    return code === "invalid_grant" || code === "invalid_request" ? undefined : codeText(code);
  }
  return undefined;
}

function refused(who: IssuerClient, error: unknown): AppError {
  const known = causeOf(error);
  if (known !== undefined) return known;
  return new AppError(
    "ERR_SIGN_IN_FAILED",
    `${who.providerName} did not let this sign-in pass: ${reasonOf(error)}.`,
    {
      subject: who.providerName,
      remedy: "Sign in again; if it stays, an administrator can test the provider and look at its own log.",
      cause: error,
    },
  );
}

function unreachable(who: IssuerClient, error: unknown): AppError {
  const known = causeOf(error);
  if (known !== undefined) return known;
  return new AppError(
    "ERR_OUTBOUND_FAILED",
    `${who.providerName} does not answer as OpenID Connect says: ${reasonOf(error)}.`,
    {
      subject: who.issuer,
      remedy: "Check the issuer's address, and whether it answers at /.well-known/openid-configuration.",
      cause: error,
    },
  );
}

/** What the way out itself said, under the library's own errors. */
function causeOf(error: unknown): AppError | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause) if (isAppError(cause)) return cause;
  return undefined;
}

/** Of an error, without values of tokens. */
function reasonOf(error: unknown): string {
  if (error instanceof client.AuthorizationResponseError || error instanceof client.ResponseBodyError) {
    return codeText(error.error);
  }
  if (error instanceof client.ClientError) {
    const inner = error.cause instanceof Error ? `, ${error.cause.message}` : "";
    return `${error.message}${inner}`.slice(0, 300);
  }
  return error instanceof Error ? error.message.slice(0, 300) : "it failed";
}

/** Codes of OAuth are plain words; anything else is not repeated. */
function codeText(code: string): string {
  return /^[A-Za-z_.-]{1,60}$/u.test(code) ? code : "an unknown error";
}
