/**
 * Who we are, said the way the server asks for it: Bearer (RFC 6750), Digest (RFC 7616), Basic (RFC 7617).
 *
 * Credentials are asked for once and kept until the server refuses them; the next call then asks again. A user's name and
 * password are not sent before the server asked, and Digest goes before Basic. Where the connection is neither encrypted
 * nor within this machine, nothing but Digest is used: everything else could be read on the way.
 *
 * @module
 */
import { AppError, type Randomness } from "@holdfast/kernel";
import { parseChallenges } from "./challenges.ts";
import { type DigestChallenge, digestAuthorization, readDigestChallenge } from "./digest.ts";
import { untrusted } from "./failures.ts";
import { isLoopbackAddress, type WebdavLocation } from "./location.ts";

export type WebdavCredentials =
  | { readonly user: string; readonly password: string }
  | { readonly bearer: string };

export type CredentialSource = () => Promise<WebdavCredentials>;

type Scheme = "basic" | { readonly challenge: DigestChallenge; count: number };

interface Login {
  readonly credentials: WebdavCredentials;
  /** Undefined until the server asked. */
  scheme: Scheme | undefined;
}

/** What one request said of us. */
export interface Pass {
  readonly authorization: string | undefined;
  readonly login: Login | undefined;
  readonly scheme: Scheme | undefined;
}

/** More in a row than any server needs. */
const CHALLENGES_MAX = 4;

export class Authorization {
  readonly #location: WebdavLocation;
  readonly #source: CredentialSource | undefined;
  readonly #randomness: Randomness;
  #login: Promise<Login> | undefined;

  constructor(location: WebdavLocation, source: CredentialSource | undefined, randomness: Randomness) {
    this.#location = location;
    this.#source = source;
    this.#randomness = randomness;
  }

  async pass(method: string, path: string): Promise<Pass> {
    if (this.#source === undefined) return { authorization: undefined, login: undefined, scheme: undefined };
    const login = await this.#current(this.#source);
    const { credentials, scheme } = login;
    if ("bearer" in credentials) {
      this.#checkConfidential();
      return { authorization: bearer(credentials.bearer), login, scheme };
    }
    return { authorization: this.#answer(credentials, scheme, method, path), login, scheme };
  }

  /**
   * Takes up what the server asked for after it refused `pass`, so that the same request can be sent once more.
   *
   * @param refusals how often this request was refused, with this time.
   * @throws {AppError} `ERR_STORAGE_CREDENTIALS`, `ERR_STORAGE_UNTRUSTED`, `ERR_UNSUPPORTED`.
   */
  async challenged(pass: Pass, header: string | undefined, refusals: number): Promise<void> {
    const { login } = pass;
    if (login === undefined || "bearer" in login.credentials || refusals > CHALLENGES_MAX)
      throw await this.#refused(login);
    const scheme = this.#choose(header);
    const renewed = login.scheme !== pass.scheme;
    const first = pass.scheme === undefined;
    const stale = scheme !== "basic" && scheme.challenge.stale;
    if (!first && !stale && !renewed) throw await this.#refused(login);
    login.scheme = scheme;
  }

  /** One call for all who ask at once; a failed one is not kept. */
  async #current(source: CredentialSource): Promise<Login> {
    const asked = (this.#login ??= this.#ask(source));
    try {
      return await asked;
    } catch (error) {
      if (this.#login === asked) this.#login = undefined;
      throw error;
    }
  }

  async #ask(source: CredentialSource): Promise<Login> {
    const { text } = this.#location;
    try {
      const credentials = await source();
      if (isSendable(credentials)) return { credentials, scheme: undefined };
    } catch (error) {
      if (error instanceof AppError) throw error;
      throw new AppError("ERR_STORAGE_CREDENTIALS", `The credentials of ${text} could not be had.`, {
        subject: text,
        remedy: "See that the file or program they come from is there and can be read.",
        cause: error,
      });
    }
    throw new AppError(
      "ERR_STORAGE_CREDENTIALS",
      `The credentials of ${text} have characters that none have.`,
      {
        subject: text,
        remedy: "Check the user and the token for line ends and other invisible characters.",
      },
    );
  }

  #answer(
    { user, password }: { readonly user: string; readonly password: string },
    scheme: Scheme | undefined,
    method: string,
    path: string,
  ): string | undefined {
    if (scheme === undefined) return undefined;
    if (scheme === "basic") {
      this.#checkConfidential();
      return `Basic ${Buffer.from(`${user}:${password}`, "utf8").toString("base64")}`;
    }
    scheme.count += 1;
    const clientNonce = this.#randomness(Buffer.alloc(16)).toString("hex");
    const { challenge, count } = scheme;
    return digestAuthorization({ challenge, user, password, method, path, count, clientNonce });
  }

  #choose(header: string | undefined): Scheme {
    const challenges = parseChallenges(header);
    const digests = challenges.map(readDigestChallenge).filter((challenge) => challenge !== undefined);
    const challenge = digests.find(({ hash }) => hash === "sha256") ?? digests[0];
    if (challenge !== undefined) return { challenge, count: 0 };
    if (challenges.some(({ scheme }) => scheme === "basic")) {
      this.#checkConfidential();
      return "basic";
    }
    const { text } = this.#location;
    throw new AppError("ERR_UNSUPPORTED", `The server of ${text} asks for a login of an unknown kind.`, {
      subject: text,
      remedy: "Let it accept Basic or Digest authentication, or a bearer token.",
    });
  }

  #checkConfidential(): void {
    const { tls, host, text } = this.#location;
    if (tls || host === "localhost" || isLoopbackAddress(host)) return;
    throw untrusted(
      text,
      "it asks for the password itself, and the connection is not encrypted",
      "Use webdavs://, or let the server accept Digest authentication.",
    );
  }

  async #refused(login: Login | undefined): Promise<AppError> {
    const { text } = this.#location;
    if (this.#login !== undefined && (await this.#login.catch(() => undefined)) === login)
      this.#login = undefined;
    const what = login === undefined ? "asks for credentials, and none are given" : "refuses the credentials";
    return new AppError("ERR_STORAGE_CREDENTIALS", `The server of ${text} ${what}.`, {
      subject: text,
      remedy:
        "Check the user and password or the token of this storage, and that they are good for its folder.",
    });
  }
}

/** Whether a header can hold them: RFC 6750 section 2.1, RFC 7617 section 2. */
function isSendable(credentials: WebdavCredentials): boolean {
  if ("bearer" in credentials) return /^[A-Za-z0-9._~+/-]+=*$/.test(credentials.bearer);
  return !/\p{Cc}/u.test(credentials.user);
}

function bearer(token: string): string {
  return `Bearer ${token}`;
}
