/**
 * Why no SSH connection came about, by what the library and the server say.
 *
 * @module
 */
import { AppError } from "@holdfast/kernel";
import { connectionLost } from "./failures.ts";

/** Reasons of SSH_MSG_DISCONNECT, RFC 4253 section 11.1. */
const TOO_MANY_CONNECTIONS = 12;
const NO_MORE_AUTH_METHODS = 14;

/** Reasons of SSH_MSG_CHANNEL_OPEN_FAILURE, RFC 4254 section 5.1. */
const ADMINISTRATIVELY_PROHIBITED = 1;
const RESOURCE_SHORTAGE = 4;

/** What OpenSSH writes instead of its version when it turns a client away for a while. */
const TURNED_AWAY = /MaxStartups|Not allowed at this time/i;

const reachRemedy =
  "Check the host's name and port, and that its SSH server runs and no firewall is between.";

/** What the library adds to its errors. */
export function levelOf(error: Error): string | undefined {
  return "level" in error && typeof error.level === "string" ? error.level : undefined;
}

/** @param greeting the first bytes that the server sent. */
export function connectFailure(error: Error, url: string, greeting: string): AppError {
  const code: unknown = "code" in error ? error.code : undefined;
  const level = levelOf(error);
  if (level === "client-authentication" || code === NO_MORE_AUTH_METHODS) return refused(url, error);
  // OpenSSH counts the keys that were offered, also those of an agent.
  if (/too many authentication failures/i.test(error.message)) return refused(url, error);
  if (code === TOO_MANY_CONNECTIONS || TURNED_AWAY.test(greeting)) return throttled(url, error);
  if (error.message.includes("no matching")) return noCommonAlgorithm(url, error);
  if (level === "handshake") return brokenHandshake(url, error);
  if (level !== "client-socket") return connectionLost(url, error);
  const detail = typeof code === "string" ? ` (${code})` : "";
  return new AppError("ERR_STORAGE_UNREACHABLE", `${url} cannot be reached${detail}.`, {
    subject: url,
    remedy: reachRemedy,
    cause: error,
  });
}

export function passwordExpired(url: string): AppError {
  return new AppError("ERR_STORAGE_CREDENTIALS", `The password for ${url} has expired.`, {
    subject: url,
    remedy: "Log in once by `ssh` to set a new one, then give that.",
  });
}

/** The server let us in, but gave no channel with SFTP. */
export function channelFailure(error: Error, url: string): AppError {
  // Only where opening a channel failed, as against the subsystem in it.
  const reason: unknown = "reason" in error ? error.reason : undefined;
  if (reason === RESOURCE_SHORTAGE) return throttled(url, error);
  if (reason !== undefined && reason !== ADMINISTRATIVELY_PROHIBITED) return connectionLost(url, error);
  return levelOf(error) === "sftp-protocol" ? connectionLost(url, error) : noSubsystem(url, error);
}

function noSubsystem(url: string, cause: Error): AppError {
  return new AppError("ERR_STORAGE_DENIED", `The server of ${url} does not offer SFTP to this account.`, {
    subject: url,
    remedy: "Have the subsystem sftp enabled on the server, and this account allowed to use it.",
    cause,
  });
}

export function slowHandshake(url: string, timeoutMs: number): AppError {
  const seconds = String(Math.round(timeoutMs / 1000));
  return new AppError("ERR_STORAGE_TIMEOUT", `${url} could not be connected to within ${seconds} s.`, {
    subject: url,
    remedy: reachRemedy,
  });
}

function refused(url: string, cause: Error): AppError {
  return new AppError("ERR_STORAGE_CREDENTIALS", `The server refused the log-in to ${url}.`, {
    subject: url,
    remedy: "Check the user's name, and that the password is right or the key is among the account's keys.",
    cause,
  });
}

function throttled(url: string, cause: Error): AppError {
  return new AppError("ERR_STORAGE_THROTTLED", `The server of ${url} takes no more connections for now.`, {
    subject: url,
    remedy: "Wait a little, or raise MaxStartups of the server.",
    cause,
  });
}

function noCommonAlgorithm(url: string, cause: Error): AppError {
  return new AppError("ERR_UNSUPPORTED", `${url} and this program have no SSH algorithm in common.`, {
    subject: url,
    remedy: "Update the SSH server, or allow it current algorithms such as curve25519-sha256 and aes256-gcm.",
    cause,
  });
}

function brokenHandshake(url: string, cause: Error): AppError {
  return new AppError("ERR_STORAGE_UNTRUSTED", `The SSH handshake with ${url} failed.`, {
    subject: url,
    remedy:
      "Check with `ssh -v` whether the server works; somebody in between may be changing what it sends.",
    cause,
  });
}
