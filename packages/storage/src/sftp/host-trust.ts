/**
 * Whether the other side is the host it should be: its key is pinned by its fingerprint, or is in a known_hosts file.
 * Nothing is ever accepted because it was seen for the first time.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { AppError, errorCode } from "@holdfast/kernel";
import type { ServerHostKeyAlgorithm } from "ssh2";
import { type KnownHost, keyTypeOf, namesHost, parseKnownHosts } from "./known-hosts.ts";
import { knownHostName, SSH_PORT, type SftpLocation } from "./location.ts";

const FILE_SIZE_MAX = 16 * 1024 * 1024;
const FINGERPRINT = /^SHA256:[A-Za-z0-9+/]{43}$/;

/** In the order of preference. No `ssh-rsa`: its signatures are of SHA-1. */
const ALGORITHMS: readonly ServerHostKeyAlgorithm[] = [
  "ssh-ed25519",
  "ecdsa-sha2-nistp256",
  "ecdsa-sha2-nistp384",
  "ecdsa-sha2-nistp521",
  "rsa-sha2-512",
  "rsa-sha2-256",
];

export interface HostTrustOptions {
  /** Paths of known_hosts files; by default those of this user and of the system. */
  readonly knownHosts?: readonly string[];
  /** `SHA256:...` of the host's keys, as `ssh-keygen -l` prints them. Then no file can add to what is trusted. */
  readonly fingerprints?: readonly string[];
}

/** What is known of one host. */
export class HostTrust {
  readonly #location: SftpLocation;
  readonly #known: readonly KnownHost[];
  readonly #fingerprints: readonly string[] | undefined;

  constructor(location: SftpLocation, known: readonly KnownHost[], fingerprints?: readonly string[]) {
    this.#location = location;
    this.#known = known;
    this.#fingerprints = fingerprints;
  }

  /** Those of known keys first, so that a host with several keys shows one that can be checked. */
  get algorithms(): ServerHostKeyAlgorithm[] {
    const types = new Set(this.#known.filter(({ marker }) => marker === undefined).map(toAlgorithmFamily));
    const first = ALGORITHMS.filter((algorithm) => types.has(familyOf(algorithm)));
    return [...first, ...ALGORITHMS.filter((algorithm) => !first.includes(algorithm))];
  }

  /** The reason not to talk to the owner of this key, undefined when it is trusted. */
  refusal(key: Buffer): AppError | undefined {
    const same = this.#known.filter((known) => known.key.equals(key));
    if (same.some(({ marker }) => marker === "revoked")) return this.#revoked(key);
    if (this.#fingerprints !== undefined) {
      return this.#fingerprints.includes(fingerprint(key)) ? undefined : this.#notPinned(key);
    }
    if (same.some(({ marker }) => marker === undefined)) return undefined;
    if (this.#known.some(({ marker }) => marker === undefined)) return this.#changed(key);
    if (this.#known.some(({ marker }) => marker === "cert-authority")) return this.#certified(key);
    return this.#unknown(key);
  }

  #unknown(key: Buffer): AppError {
    return this.#untrusted(
      `${this.#host} is not known here: it shows the key ${describe(key)}.`,
      `Ask its administrator whether that is its fingerprint; if so, accept it once with \`${this.#login}\`, or ` +
        "give the fingerprint along with the storage.",
    );
  }

  #changed(key: Buffer): AppError {
    return this.#untrusted(
      `The key of ${this.#host} is not the one known here: it shows ${describe(key)}. Somebody may be in between.`,
      "Ask its administrator whether its key was changed and has this fingerprint; if so, remove the old one with " +
        `\`ssh-keygen -R '${knownHostName(this.#location)}'\` and accept the new one with \`${this.#login}\`.`,
    );
  }

  #notPinned(key: Buffer): AppError {
    return this.#untrusted(
      `${this.#host} shows the key ${describe(key)}, which is none of those given for this storage.`,
      "If its administrator confirms that fingerprint, give it along with the storage.",
    );
  }

  #revoked(key: Buffer): AppError {
    return this.#untrusted(
      `${this.#host} shows the key ${describe(key)}, which is marked as revoked here.`,
      "Do not use this host before its administrator has given it a new key.",
    );
  }

  #certified(key: Buffer): AppError {
    return this.#untrusted(
      `${this.#host} is known here by a certificate authority, which is not supported; its own key is ` +
        `${describe(key)}.`,
      "Ask its administrator whether that is its fingerprint; if so, give it along with the storage.",
    );
  }

  get #host(): string {
    return knownHostName(this.#location);
  }

  get #login(): string {
    const { user, host, port } = this.#location;
    return port === SSH_PORT ? `ssh ${user}@${host}` : `ssh -p ${String(port)} ${user}@${host}`;
  }

  #untrusted(message: string, remedy: string): AppError {
    return new AppError("ERR_STORAGE_UNTRUSTED", message, { subject: this.#location.url, remedy });
  }
}

/** @throws {AppError} `ERR_USAGE` for a malformed fingerprint, `ERR_STORAGE_UNTRUSTED` for an unreadable file. */
export async function loadHostTrust(location: SftpLocation, options: HostTrustOptions): Promise<HostTrust> {
  const fingerprints = options.fingerprints?.map(normalFingerprint);
  const paths = options.knownHosts ?? [join(homedir(), ".ssh", "known_hosts"), "/etc/ssh/ssh_known_hosts"];
  const name = knownHostName(location);
  const known: KnownHost[] = [];
  for (const path of paths) {
    const lines = parseKnownHosts(await readKnownHosts(path, location));
    known.push(...lines.filter(({ names }) => namesHost(names, name)));
  }
  return new HostTrust(location, known, fingerprints);
}

async function readKnownHosts(path: string, location: SftpLocation): Promise<string> {
  try {
    const bytes = await readFile(path);
    if (bytes.length > FILE_SIZE_MAX) throw new Error("the file is too large");
    return bytes.toString();
  } catch (error) {
    if (errorCode(error) === "ENOENT") return "";
    // It may be the one that revokes a key.
    throw new AppError("ERR_STORAGE_UNTRUSTED", `The file ${path} of known hosts cannot be read.`, {
      subject: location.url,
      remedy: "Make it readable for this user, or remove it.",
      cause: error,
    });
  }
}

/** `SHA256:` and the digest in base64 without padding, as OpenSSH prints it. */
export function fingerprint(key: Buffer): string {
  return `SHA256:${createHash("sha256").update(key).digest("base64").replace(/=+$/, "")}`;
}

function normalFingerprint(text: string): string {
  const normal = text.trim().replace(/=+$/, "");
  if (FINGERPRINT.test(normal)) return normal;
  throw new AppError("ERR_USAGE", "The fingerprint of the host's key is malformed.", {
    remedy: "It is SHA256: and 43 characters, as `ssh-keygen -l -f KEYFILE` prints it.",
  });
}

function describe(key: Buffer): string {
  return `${fingerprint(key)} (${
    keyTypeOf(key)
      ?.replace(/[^\x21-\x7e]/g, "?")
      .slice(0, 40) ?? "of no known type"
  })`;
}

function toAlgorithmFamily({ keyType }: KnownHost): string {
  return familyOf(keyType);
}

/** Keys of the type `ssh-rsa` sign by the algorithms `rsa-sha2-*` of RFC 8332. */
function familyOf(name: string): string {
  return name.includes("rsa") ? "rsa" : name;
}
