/**
 * What every storage upon HTTP can be told about its connections.
 *
 * @module
 */
import { readFile } from "node:fs/promises";
import { AppError } from "@holdfast/kernel";
import { openConnections } from "./connections.ts";
import type { TransferRate } from "./limits.ts";
import { type HttpSettings, isLoopback } from "./http-exchange.ts";

export interface HttpOptions {
  /** PEM file of the authorities to trust, instead of the well-known ones. */
  readonly caFile?: string | undefined;
  /**
   * SHA-256 of the server's certificate in hexadecimal, with or without colons. Without {@link caFile} it is all that
   * counts, which suits a certificate that signed itself; with it, both must be right.
   */
  readonly fingerprint?: string | undefined;
  /** Allow an endpoint of http:// that is not on this machine. */
  readonly allowPlainHttp?: boolean;
  /** Connections at once. Default 32. */
  readonly connections?: number;
  /** Of content; without it, as fast as it goes. */
  readonly rate?: TransferRate | undefined;
  /** Default 15 seconds. */
  readonly connectTimeoutMs?: number;
  /** How long nothing may come or go within a transfer. Default 30 seconds. */
  readonly idleTimeoutMs?: number;
}

/**
 * @param kind of storage, for messages: "S3".
 * @throws {AppError} `ERR_USAGE`.
 */
export function checkHttpOptions(kind: string, endpoint: URL | undefined, options: HttpOptions): void {
  if (endpoint?.protocol === "http:" && !isLoopback(endpoint.hostname) && options.allowPlainHttp !== true) {
    throw usage(
      `The endpoint of the ${kind} storage is not encrypted.`,
      "Use an https:// endpoint; or allow plain HTTP, where nobody else can listen or interfere.",
    );
  }
  if (options.fingerprint !== undefined && !/^[0-9a-f]{2}(?::?[0-9a-f]{2}){31}$/i.test(options.fingerprint)) {
    throw usage(
      "The fingerprint of the certificate is no SHA-256 in hexadecimal digits.",
      "Get it with `openssl x509 -noout -fingerprint -sha256 -in CERTIFICATE`.",
    );
  }
}

/** @throws {AppError} `ERR_USAGE` when the file of authorities cannot be used. */
export async function openHttp(options: HttpOptions): Promise<HttpSettings> {
  const ca = options.caFile === undefined ? undefined : await readAuthorities(options.caFile);
  return {
    connections: openConnections({
      ca,
      fingerprint: options.fingerprint?.replaceAll(":", "").toLowerCase(),
      connections: options.connections ?? 32,
      connectTimeoutMs: options.connectTimeoutMs ?? 15_000,
    }),
    allowPlainHttp: options.allowPlainHttp === true,
    idleTimeoutMs: options.idleTimeoutMs ?? 30_000,
    rate: options.rate,
  };
}

async function readAuthorities(path: string): Promise<Buffer> {
  let pem;
  try {
    pem = await readFile(path);
  } catch (cause) {
    throw new AppError("ERR_USAGE", `The file of certificate authorities ${path} cannot be read.`, {
      subject: path,
      remedy: "Check its path and rights.",
      cause,
    });
  }
  if (pem.includes("-----BEGIN CERTIFICATE-----")) return pem;
  throw usage(`${path} has no certificate in PEM form.`, "Give a file with -----BEGIN CERTIFICATE-----.");
}

function usage(message: string, remedy: string): AppError {
  return new AppError("ERR_USAGE", message, { remedy });
}
