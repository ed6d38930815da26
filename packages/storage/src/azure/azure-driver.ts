/**
 * A container of Azure Blob, or a folder in it, as a remote storage: one block blob an object.
 *
 * Of the protocol (Azure Storage REST): Put Blob, Put Block and Put Block List with `If-None-Match: *`, Get Blob with a range,
 * Get Blob Properties, List Blobs, Delete Blob; Get Container Properties and Get Account Information at the beginning.
 * Signatures and XML are those of Azure's own SDK; HTTP is our own (remote/http-exchange.ts), since the SDK's does not bound
 * answers.
 *
 * The storage refuses bytes that do not have the MD5 they are sent with; the SHA-256 of an object, where it is known, becomes
 * metadata of its blob. Blocks that were sent and never committed vanish by themselves after a week. Where the account keeps
 * versions or what is deleted, deleting frees no space until the account's rules do. Lists and stats see current versions
 * only.
 *
 * @module
 */
import type { Clock } from "@holdfast/kernel";
import type { ByteRange, ObjectInfo, StorageCapabilities } from "../contract.ts";
import { notFound } from "../reading.ts";
import { contradiction } from "../remote/contradiction.ts";
import type { ObjectPage, RemoteDriver } from "../remote/driver.ts";
import { objectInfo } from "../remote/object-info.ts";
import { readNothing } from "../remote/read-nothing.ts";
import { readObject } from "../remote/read-object.ts";
import { stageBlocks } from "./blocks.ts";
import { checkStored, md5 } from "./digest.ts";
import { LIST_PAGE_LENGTH, readPage } from "./list-page.ts";
import type { AzureLock } from "./options.ts";
import { answerBehind } from "./service-answer.ts";
import type { AzureSession } from "./session.ts";

export interface DriverSettings {
  readonly lock: AzureLock | undefined;
  readonly blocksFromBytes: number;
  readonly blockBytes: number;
  readonly clock: Clock;
}

const DAY_MS = 24 * 60 * 60 * 1000;
/**
 * Refusals that may mean that somebody else has stored the object meanwhile: it is protected, these credentials may only make
 * new ones, or our blocks were dropped by the other's commit.
 */
const PERHAPS_TAKEN: ReadonlySet<string> = new Set([
  "BlobImmutableDueToPolicy",
  "BlobImmutableDueToLegalHold",
  "UnauthorizedBlobOverwrite",
  "AuthorizationPermissionMismatch",
  "InvalidBlockList",
  "InvalidBlobOrBlock",
]);

/** Made by {@link openAzure}. */
export class AzureDriver implements RemoteDriver {
  readonly location: string;
  readonly capabilities: StorageCapabilities;
  readonly #session: AzureSession;
  readonly #settings: DriverSettings;

  constructor(session: AzureSession, capabilities: StorageCapabilities, settings: DriverSettings) {
    this.location = session.location;
    this.capabilities = capabilities;
    this.#session = session;
    this.#settings = settings;
  }

  async put(
    name: string,
    bytes: Uint8Array,
    sha256: Uint8Array | undefined,
    signal: AbortSignal,
  ): Promise<"created" | "exists"> {
    if (bytes.length <= this.#settings.blocksFromBytes) {
      const outcome = await this.#unlessTaken(name, signal, () =>
        this.#putWhole(name, bytes, sha256, signal),
      );
      if (outcome !== "blocked") return outcome;
    } else if ((await this.stat(name, signal)) !== null) {
      // Only the commit of blocks would tell, and that comes last.
      return "exists";
    }
    const outcome = await this.#unlessTaken(name, signal, () => this.#putBlocks(name, bytes, sha256, signal));
    if (outcome !== "blocked") return outcome;
    throw contradiction(`${this.location} has no ${name} after it said that it has.`, name);
  }

  async get(name: string, range: ByteRange | undefined, signal: AbortSignal): Promise<Buffer> {
    if (range?.length === 0) return readNothing(this, name, range, signal);
    try {
      return await this.#session.runOn(name, `Reading ${name}`, signal, async (blob, options) => {
        const answer = await blob.download(range?.offset, range?.length, { ...options, maxRetryRequests: 0 });
        const { readableStreamBody: body, contentLength, contentRange } = answer;
        return readObject({ body, contentLength, contentRange }, { name, location: this.location, range });
      });
    } catch (error) {
      const answer = answerBehind(error);
      if (answer?.code === "BlobNotFound") throw notFound(name, this.location, error);
      if (answer?.status === 416 && range !== undefined) return readNothing(this, name, range, signal);
      throw error;
    }
  }

  async list(prefix: string, next: string | undefined, signal: AbortSignal): Promise<ObjectPage> {
    const { prefix: base } = this.#session;
    const action = `Listing ${prefix === "" ? "the objects" : prefix}`;
    const from = next === undefined ? {} : { continuationToken: next };
    return this.#session.run(action, signal, async (container, options) => {
      const pages = container
        .listBlobsFlat({ ...options, prefix: base + prefix })
        .byPage({ maxPageSize: LIST_PAGE_LENGTH, ...from });
      const page = await pages.next();
      return page.done === true ? { objects: [], next: undefined } : readPage(page.value, base);
    });
  }

  async stat(name: string, signal: AbortSignal): Promise<ObjectInfo | null> {
    try {
      return await this.#session.runOn(name, `Looking for ${name}`, signal, async (blob, options) => {
        const { contentLength, lastModified } = await blob.getProperties(options);
        return objectInfo(name, contentLength, lastModified);
      });
    } catch (error) {
      if (answerBehind(error)?.code === "BlobNotFound") return null;
      throw error;
    }
  }

  async delete(name: string, signal: AbortSignal): Promise<void> {
    try {
      await this.#session.runOn(name, `Deleting ${name}`, signal, (blob, options) => blob.delete(options));
    } catch (error) {
      if (answerBehind(error)?.code !== "BlobNotFound") throw error;
    }
  }

  async free(): Promise<null> {
    return null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#session[Symbol.dispose]();
  }

  /**
   * What a refusal says is looked into: to Azurite a blob is there once a killed writer has sent blocks for it, though nobody
   * can read it. What is put in blocks replaces those.
   *
   * @returns `blocked` when there is no object although the storage says so.
   */
  async #unlessTaken(
    name: string,
    signal: AbortSignal,
    put: () => Promise<void>,
  ): Promise<"created" | "exists" | "blocked"> {
    try {
      await put();
      return "created";
    } catch (error) {
      const { status, code } = answerBehind(error) ?? { status: 0, code: "" };
      const taken = code === "BlobAlreadyExists" || status === 412;
      if (!taken && !PERHAPS_TAKEN.has(code)) throw error;
      if ((await this.stat(name, signal)) !== null) return "exists";
      if (taken) return "blocked";
      throw error;
    }
  }

  async #putWhole(
    name: string,
    bytes: Uint8Array,
    sha256: Uint8Array | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const digest = await md5(bytes);
    await this.#session.runOn(name, `Storing ${name}`, signal, async (blob, options) => {
      const answer = await blob.upload(bytes, bytes.length, {
        ...options,
        ...this.#creation(sha256),
        transactionalContentMD5: digest,
      });
      checkStored(answer.contentMD5, digest);
    });
  }

  async #putBlocks(
    name: string,
    bytes: Uint8Array,
    sha256: Uint8Array | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const ids = await stageBlocks(this.#session, name, bytes, this.#settings.blockBytes, signal);
    await this.#session.runOn(name, `Storing ${name}`, signal, (blob, options) =>
      blob.commitBlockList(ids, { ...options, ...this.#creation(sha256) }),
    );
  }

  /** What a new blob is made with. */
  #creation(sha256: Uint8Array | undefined) {
    const { lock, clock } = this.#settings;
    return {
      conditions: { ifNoneMatch: "*" },
      ...(sha256 === undefined ? {} : { metadata: { sha256: Buffer.from(sha256).toString("hex") } }),
      ...(lock === undefined
        ? {}
        : {
            immutabilityPolicy: {
              expiriesOn: new Date(clock.now() + lock.days * DAY_MS),
              policyMode: lock.mode === "COMPLIANCE" ? ("Locked" as const) : ("Unlocked" as const),
            },
          }),
    };
  }
}
