/**
 * One bucket through Amazon's SDK: its client, made again with fresh credentials after the old ones were refused, and the
 * translation of its errors.
 *
 * @module
 */
import type * as Sdk from "@aws-sdk/client-s3";
import { AppError, isAppError } from "@holdfast/kernel";
import { cancelled, throwIfAborted } from "../cancel.ts";
import type { HttpSettings } from "../remote/http-exchange.ts";
import { unlessAborted } from "../remote/unless-aborted.ts";
import { s3Failure } from "./failures.ts";
import { describeLocation, type S3Location } from "./location.ts";
import type { S3Options } from "./options.ts";
import type { Transport } from "./transport.ts";

export interface SessionParts {
  readonly sdk: typeof Sdk;
  readonly location: S3Location;
  readonly credentials: S3Options["credentials"];
  readonly http: HttpSettings;
  readonly transport: Transport;
}

/** Ceph, MinIO and others take any region unless told otherwise; this one is what their own tools assume. */
const REGION_OF_ENDPOINTS = "us-east-1";

type Work<T> = (client: Sdk.S3Client, options: { readonly abortSignal: AbortSignal }) => Promise<T>;

export class S3Session implements Disposable {
  readonly sdk: typeof Sdk;
  readonly bucket: string;
  readonly prefix: string;
  /** For messages. */
  readonly location: string;
  readonly #parts: SessionParts;
  #client: Sdk.S3Client | undefined;

  constructor(parts: SessionParts) {
    this.sdk = parts.sdk;
    this.bucket = parts.location.bucket;
    this.prefix = parts.location.prefix;
    this.location = describeLocation(parts.location);
    this.#parts = parts;
  }

  /** The key of an object. */
  key(name: string): { readonly Bucket: string; readonly Key: string } {
    return { Bucket: this.bucket, Key: this.prefix + name };
  }

  /** By the storage's clock, milliseconds since the epoch; undefined before its first answer. */
  serverTimeMs(): number | undefined {
    return this.#parts.transport.serverTimeMs();
  }

  /**
   * Runs one or more commands.
   *
   * @param action what they do, as the subject of a sentence: "Storing packs/ab".
   * @throws {AppError} with a `ServiceAnswer` as its cause when the storage refused.
   */
  async run<T>(action: string, signal: AbortSignal, work: Work<T>): Promise<T> {
    throwIfAborted(signal, this.location);
    const client = (this.#client ??= this.#connect());
    try {
      // Programs and services that give credentials know nothing of the signal.
      return await unlessAborted(work(client, { abortSignal: signal }), signal);
    } catch (error) {
      if (signal.aborted) throw cancelled(signal.reason, this.location);
      const failure = s3Failure(error, action, this.location);
      // The next call asks for credentials again.
      if (failure.code === "ERR_STORAGE_CREDENTIALS" && this.#client === client) this.#client = undefined;
      throw failure;
    }
  }

  /** @throws {AppError} `ERR_USAGE` when neither the URL nor the SDK's settings name a region. */
  async checkRegion(signal: AbortSignal): Promise<void> {
    try {
      await this.run("Looking for the region", signal, (client) => client.config.region());
    } catch (error) {
      if (isAppError(error, "ERR_CANCELLED")) throw error;
      throw new AppError("ERR_USAGE", `The region of ${this.location} is not known.`, {
        subject: this.location,
        remedy: "Add region=REGION to the URL, or set AWS_REGION.",
      });
    }
  }

  [Symbol.dispose](): void {
    this.#parts.http.connections[Symbol.dispose]();
  }

  #connect(): Sdk.S3Client {
    const { sdk, location, credentials, transport } = this.#parts;
    const region = location.region ?? (location.endpoint === undefined ? undefined : REGION_OF_ENDPOINTS);
    const settings = {
      ...(region === undefined ? {} : { region }),
      ...(location.endpoint === undefined ? {} : { endpoint: location.endpoint.href }),
      ...(credentials === undefined ? {} : { credentials: async () => knownParts(await credentials()) }),
      // Of the chain's files: a client is made again because they changed.
      ignoreCache: true,
      forcePathStyle: location.style === "path",
      requestHandler: transport.handler,
      // Whoever calls the driver tries again, and knows when not to.
      maxAttempts: 1,
      retryMode: "standard",
      followRegionRedirects: false,
      // Digests are given; and the repository checks what it reads.
      requestChecksumCalculation: "WHEN_REQUIRED",
      responseChecksumValidation: "WHEN_REQUIRED",
      // The transport does it.
      expectContinueHeader: false,
    } as const;
    const client = new sdk.S3Client(settings);
    client.middlewareStack.add(signGivenDigest, { step: "build", name: "holdfastGivenDigest" });
    return client;
  }
}

function knownParts(credentials: Awaited<ReturnType<NonNullable<S3Options["credentials"]>>>) {
  const { accessKeyId, secretAccessKey, sessionToken } = credentials;
  return { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) };
}

/** The signature covers a body's SHA-256: the one that is given along as its checksum, rather than computed again. */
function signGivenDigest<Args extends { request: unknown }, Result>(
  next: (args: Args) => Promise<Result>,
): (args: Args) => Promise<Result> {
  return (args) => {
    const { request } = args;
    const headers: unknown =
      typeof request === "object" && request !== null ? Reflect.get(request, "headers") : undefined;
    if (typeof headers === "object" && headers !== null) {
      const digest: unknown = Reflect.get(headers, "x-amz-checksum-sha256");
      if (typeof digest === "string") {
        Reflect.set(headers, "x-amz-content-sha256", Buffer.from(digest, "base64").toString("hex"));
      }
    }
    return next(args);
  };
}
