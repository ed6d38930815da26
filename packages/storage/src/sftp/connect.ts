/**
 * From nothing to an SFTP channel: TCP, the host's key, the log-in, the subsystem, within one limit of time.
 *
 * @module
 */
import { connect, type Socket } from "node:net";
import type { AppError } from "@holdfast/kernel";
import ssh2 from "ssh2";
import type { AnyAuthMethod, Client, SFTPWrapper } from "ssh2";
import { cancelled, throwIfAborted } from "../cancel.ts";
import type { TransferRate } from "../remote/limits.ts";
import { authMethods, type SftpCredentials } from "./authentication.ts";
import {
  channelFailure,
  connectFailure,
  levelOf,
  passwordExpired,
  slowHandshake,
} from "./connect-failures.ts";
import { connectionLost } from "./failures.ts";
import { type HostTrust, type HostTrustOptions, loadHostTrust } from "./host-trust.ts";
import type { SftpLocation } from "./location.ts";
import { SftpSession } from "./session.ts";

export interface ConnectOptions extends HostTrustOptions {
  readonly location: SftpLocation;
  /** Asked for every connection. */
  readonly credentials: () => Promise<SftpCredentials>;
  readonly connectTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly rate?: TransferRate | undefined;
}

const GREETING_LENGTH_MAX = 255;
/** OpenSSH takes packets of 256 KiB; draft-02 section 3 promises 34000 bytes of every server. */
const CHUNK_LENGTH_OPENSSH = 252 * 1024;
const CHUNK_LENGTH = 31 * 1024;

/** No CBC, no MD5, no SHA-1, no compression; the ciphers with an AEAD first, which are also the fast ones. */
const ALGORITHMS = {
  kex: [
    "curve25519-sha256",
    "curve25519-sha256@libssh.org",
    "ecdh-sha2-nistp256",
    "ecdh-sha2-nistp384",
    "ecdh-sha2-nistp521",
    "diffie-hellman-group16-sha512",
    "diffie-hellman-group18-sha512",
    "diffie-hellman-group14-sha256",
  ],
  cipher: [
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "chacha20-poly1305@openssh.com",
    "aes128-ctr",
    "aes256-ctr",
  ],
  hmac: ["hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "hmac-sha2-256", "hmac-sha2-512"],
  compress: ["none"],
} as const;

/** @throws {AppError} as the calls of a driver do. */
export async function connectSftp(options: ConnectOptions, signal: AbortSignal): Promise<SftpSession> {
  const { location } = options;
  throwIfAborted(signal, location.url);
  const trust = await loadHostTrust(location, options);
  const credentials = await unlessAborted(options.credentials(), signal, location.url);
  const methods = await authMethods(location, credentials);
  throwIfAborted(signal, location.url);
  return new Handshake(options, trust).run(methods, signal);
}

/** Somebody may be asked for credentials, and not be there. */
async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal, subject: string): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = (): void => {
    reject(cancelled(signal.reason, subject));
  };
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

class Handshake {
  readonly #options: ConnectOptions;
  readonly #trust: HostTrust;
  readonly #client: Client = new ssh2.Client();
  readonly #socket: Socket;
  readonly #outcome = Promise.withResolvers<SftpSession>();
  #greeting = "";
  #settled = false;

  constructor(options: ConnectOptions, trust: HostTrust) {
    this.#options = options;
    this.#trust = trust;
    const { host, port } = options.location;
    this.#socket = connect({ host, port, noDelay: true });
  }

  async run(methods: AnyAuthMethod[], signal: AbortSignal): Promise<SftpSession> {
    const { location, connectTimeoutMs } = this.#options;
    const abort = (): void => {
      this.#fail(cancelled(signal.reason, location.url));
    };
    const timer = setTimeout(() => {
      this.#fail(slowHandshake(location.url, connectTimeoutMs));
    }, connectTimeoutMs);
    signal.addEventListener("abort", abort, { once: true });
    try {
      this.#listen();
      this.#begin(methods);
      return await this.#outcome.promise;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
    }
  }

  #listen(): void {
    const { url } = this.#options.location;
    this.#client.on("error", (error: Error) => {
      // After these the library goes on to the next method; the end of all methods has a level of its own.
      if (levelOf(error) !== "agent") this.#fail(connectFailure(error, url, this.#greeting));
    });
    this.#client.on("close", () => {
      this.#fail(connectFailure(new Error("closed"), url, this.#greeting));
    });
    this.#client.on("change password", () => {
      this.#fail(passwordExpired(url));
    });
    this.#client.on("ready", () => {
      this.#openChannel();
    });
    this.#socket.on("data", (bytes: Buffer) => {
      const room = GREETING_LENGTH_MAX - this.#greeting.length;
      if (room > 0) this.#greeting += bytes.toString("latin1", 0, room);
    });
    // The library's own listener comes later and resumes.
    this.#socket.pause();
  }

  #begin(methods: AnyAuthMethod[]): void {
    try {
      this.#client.connect({
        sock: this.#socket,
        username: this.#options.location.user,
        authHandler: methods,
        readyTimeout: 0,
        algorithms: {
          kex: [...ALGORITHMS.kex],
          cipher: [...ALGORITHMS.cipher],
          hmac: [...ALGORITHMS.hmac],
          compress: [...ALGORITHMS.compress],
          serverHostKey: this.#trust.algorithms,
        },
        hostVerifier: (key: Buffer) => {
          const refusal = this.#trust.refusal(key);
          if (refusal !== undefined) this.#fail(refusal);
          return refusal === undefined;
        },
      });
    } catch (error) {
      this.#fail(connectionLost(this.#options.location.url, error));
    }
  }

  #openChannel(): void {
    const { url } = this.#options.location;
    try {
      this.#client.sftp((error, sftp) => {
        if (error instanceof Error) this.#fail(channelFailure(error, url));
        else this.#succeed(sftp);
      });
    } catch (error) {
      this.#fail(connectionLost(url, error));
    }
  }

  #succeed(sftp: SFTPWrapper): void {
    if (this.#settled) return;
    this.#settled = true;
    const chunkLength = /SSH-2\.0-OpenSSH/.test(this.#greeting) ? CHUNK_LENGTH_OPENSSH : CHUNK_LENGTH;
    const { location, idleTimeoutMs, rate } = this.#options;
    const parts = { client: this.#client, socket: this.#socket, sftp, url: location.url };
    this.#outcome.resolve(new SftpSession({ ...parts, idleTimeoutMs, chunkLength, rate }));
  }

  #fail(error: AppError): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#socket.destroy();
    this.#outcome.reject(error);
  }
}
