/**
 * How this side proves who it is: keys, an agent, a password.
 *
 * What the credentials name is tried and nothing else. When they name nothing, it is what `ssh` would try by itself: the
 * agent of this session, then the key files of this user. Neither ssh_config nor hardware keys without agent are known.
 *
 * @module
 */
import { open } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { AppError } from "@holdfast/kernel";
import ssh2 from "ssh2";
import type { AnyAuthMethod, KeyboardInteractiveAuthMethod, ParsedKey } from "ssh2";
import type { SftpLocation } from "./location.ts";

const KEY_SIZE_MAX = 64 * 1024;
const DEFAULT_KEY_FILES = ["id_ed25519", "id_ecdsa", "id_rsa"] as const;

export interface SftpCredentials {
  /** Private keys as text, in the formats of OpenSSH and PEM. */
  readonly keys?: readonly (string | Uint8Array)[];
  /** Paths of private keys. */
  readonly keyFiles?: readonly string[];
  /** Of the keys and key files that are encrypted. */
  readonly passphrase?: string;
  /** Path of the socket of an agent. */
  readonly agentSocket?: string;
  readonly password?: string;
}

/** @throws {AppError} `ERR_STORAGE_CREDENTIALS` when a key cannot be used, or there is nothing to try. */
export async function authMethods(
  location: SftpLocation,
  credentials: SftpCredentials,
): Promise<AnyAuthMethod[]> {
  const { keys = [], keyFiles = [], agentSocket, password, passphrase } = credentials;
  const username = location.user;
  const named = keys.length + keyFiles.length > 0 || agentSocket !== undefined || password !== undefined;
  if (!named) return defaultMethods(location, passphrase);
  const methods: AnyAuthMethod[] = [];
  for (const [index, text] of keys.entries()) {
    const key = parseKey(text, passphrase);
    if (key === undefined) throw unusableKey(location, `Key ${String(index + 1)}`);
    methods.push({ type: "publickey", username, key });
  }
  for (const path of keyFiles) {
    const key = await readKey(path, passphrase);
    if (key === undefined) throw unusableKey(location, `The key file ${path}`);
    methods.push({ type: "publickey", username, key });
  }
  if (agentSocket !== undefined) methods.push({ type: "agent", username, agent: agentSocket });
  if (password !== undefined)
    methods.push({ type: "password", username, password }, asked(username, password));
  return methods;
}

async function defaultMethods(
  location: SftpLocation,
  passphrase: string | undefined,
): Promise<AnyAuthMethod[]> {
  const username = location.user;
  const methods: AnyAuthMethod[] = [];
  const agent = process.env["SSH_AUTH_SOCK"];
  if (agent !== undefined && agent !== "") methods.push({ type: "agent", username, agent });
  for (const name of DEFAULT_KEY_FILES) {
    const key = await readKey(join(homedir(), ".ssh", name), passphrase);
    if (key !== undefined) methods.push({ type: "publickey", username, key });
  }
  if (methods.length > 0) return methods;
  throw new AppError("ERR_STORAGE_CREDENTIALS", `There is nothing to log in to ${location.url} with.`, {
    subject: location.url,
    remedy: `Give a password or a key, start an ssh-agent, or make a key that is not encrypted in ~/.ssh.`,
  });
}

/** For servers that ask for the password by questions of their own (RFC 4256): one hidden question, once. */
function asked(username: string, password: string): KeyboardInteractiveAuthMethod {
  let answered = false;
  return {
    type: "keyboard-interactive",
    username,
    prompt: (_name, _instructions, _language, prompts, finish) => {
      const [only] = prompts;
      const answer = !answered && prompts.length === 1 && only?.echo !== true;
      answered = true;
      finish(prompts.map(() => (answer ? password : "")));
    },
  };
}

async function readKey(path: string, passphrase: string | undefined): Promise<ParsedKey | undefined> {
  try {
    await using handle = await open(path, "r");
    const bytes = Buffer.alloc(KEY_SIZE_MAX);
    const { bytesRead } = await handle.read(bytes, 0, KEY_SIZE_MAX, 0);
    return parseKey(bytes.subarray(0, bytesRead), passphrase);
  } catch {
    return undefined;
  }
}

/** Undefined when it is no private key, or its passphrase is another one. */
function parseKey(text: string | Uint8Array, passphrase: string | undefined): ParsedKey | undefined {
  try {
    const data = typeof text === "string" ? text : Buffer.from(text);
    // An array for some formats, whatever the types of the library say.
    const parsed: unknown = ssh2.utils.parseKey(data, passphrase);
    const first: unknown = Array.isArray(parsed) ? parsed[0] : parsed;
    return isPrivateKey(first) ? first : undefined;
  } catch {
    return undefined;
  }
}

function isPrivateKey(value: unknown): value is ParsedKey {
  if (typeof value !== "object" || value === null || value instanceof Error) return false;
  return (value as Partial<ParsedKey>).isPrivateKey?.() === true;
}

function unusableKey(location: SftpLocation, subject: string): AppError {
  return new AppError("ERR_STORAGE_CREDENTIALS", `${subject} for ${location.url} cannot be used.`, {
    subject: location.url,
    remedy:
      "Check that it is there and is a private key in the format of OpenSSH or PEM, and its passphrase.",
  });
}
