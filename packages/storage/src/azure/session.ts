/**
 * One container through Azure's SDK: its client, made again with fresh credentials after the old ones were refused, and the
 * translation of its errors.
 *
 * @module
 */
import type * as Sdk from "@azure/storage-blob";
import type { Clock } from "@holdfast/kernel";
import { cancelled, throwIfAborted } from "../cancel.ts";
import type { HttpSettings } from "../remote/http-exchange.ts";
import { unlessAborted } from "../remote/unless-aborted.ts";
import { resolveAccess } from "./access.ts";
import { azureFailure } from "./failures.ts";
import { type AzureLocation, describeLocation } from "./location.ts";
import type { AzureOptions } from "./options.ts";
import { createHttpClient } from "./transport.ts";

export interface SessionParts {
  readonly sdk: typeof Sdk;
  readonly location: AzureLocation;
  readonly credentials: AzureOptions["credentials"];
  readonly http: HttpSettings;
  readonly clock: Clock;
}

type Work<T> = (container: Sdk.ContainerClient, options: { readonly abortSignal: AbortSignal }) => Promise<T>;
type BlobWork<T> = (blob: Sdk.BlockBlobClient, options: { readonly abortSignal: AbortSignal }) => Promise<T>;

export class AzureSession implements Disposable {
  readonly prefix: string;
  /** For messages. */
  readonly location: string;
  readonly #parts: SessionParts;
  readonly #httpClient: Sdk.IHttpClient;
  #client: Promise<Sdk.ContainerClient> | undefined;

  constructor(parts: SessionParts) {
    this.prefix = parts.location.prefix;
    this.location = describeLocation(parts.location);
    this.#parts = parts;
    this.#httpClient = createHttpClient(parts.http);
  }

  /**
   * Runs one or more requests.
   *
   * @param action what they do, as the subject of a sentence: "Storing packs/ab".
   * @throws {AppError} with an `AzureAnswer` as its cause when the storage refused.
   */
  async run<T>(action: string, signal: AbortSignal, work: Work<T>): Promise<T> {
    throwIfAborted(signal, this.location);
    const connecting = (this.#client ??= this.#connect());
    try {
      // Whoever gives credentials knows nothing of the signal.
      const client = await unlessAborted(connecting, signal);
      return await work(client, { abortSignal: signal });
    } catch (error) {
      if (signal.aborted) throw cancelled(signal.reason, this.location);
      const failure = azureFailure(error, action, this.location, this.#parts.clock.now());
      // The next call asks for credentials again.
      if (failure.code === "ERR_STORAGE_CREDENTIALS") this.#forget(connecting);
      throw failure;
    }
  }

  /** The same for requests that are about the blob of one object. */
  runOn<T>(name: string, action: string, signal: AbortSignal, work: BlobWork<T>): Promise<T> {
    return this.run(action, signal, (container, options) =>
      work(container.getBlockBlobClient(this.prefix + name), options),
    );
  }

  [Symbol.dispose](): void {
    this.#parts.http.connections[Symbol.dispose]();
  }

  #connect(): Promise<Sdk.ContainerClient> {
    const connecting = this.#makeClient();
    connecting.catch(() => {
      this.#forget(connecting);
    });
    return connecting;
  }

  #forget(client: Promise<Sdk.ContainerClient>): void {
    if (this.#client === client) this.#client = undefined;
  }

  async #makeClient(): Promise<Sdk.ContainerClient> {
    const { sdk, location, credentials } = this.#parts;
    const { endpoint, secret } = resolveAccess(location, await credentials?.(), process.env);
    const options = {
      httpClient: this.#httpClient,
      // Whoever calls the driver tries again, and knows when not to.
      retryOptions: { maxTries: 1 },
    };
    const url = `${endpoint}/${location.container}`;
    return secret.kind === "sas"
      ? new sdk.ContainerClient(`${url}?${secret.sas}`, new sdk.AnonymousCredential(), options)
      : new sdk.ContainerClient(url, new sdk.StorageSharedKeyCredential(secret.account, secret.key), options);
  }
}
