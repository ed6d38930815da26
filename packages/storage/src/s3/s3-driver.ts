/**
 * A bucket of S3, or a folder in it, as a remote storage: one object a key.
 *
 * Of the protocol (Amazon S3 API Reference, version 2006-03-01; Signature Version 4): PutObject and multipart uploads with
 * `If-None-Match: *`, GetObject with `Range`, HeadObject, ListObjectsV2, DeleteObject; GetBucketVersioning and
 * GetObjectLockConfiguration at the beginning. Signatures, XML and the search for credentials are those of Amazon's own
 * SDK, whose many ways to get credentials nobody writes again; HTTP is our own (transport.ts), since the SDK's does not
 * bound answers.
 *
 * The SHA-256 of each body is signed and sent along, so the storage refuses what was altered on its way. In a bucket with
 * versions, deleting an object hides it behind a delete marker: its bytes stay, take space and cost money until a
 * lifecycle rule or somebody else removes them. Lists and stats see current versions only.
 *
 * @module
 */
import { createHash } from "node:crypto";
import type { GetObjectCommandOutput } from "@aws-sdk/client-s3";
import type { Clock } from "@holdfast/kernel";
import type { ByteRange, ObjectInfo, StorageCapabilities } from "../contract.ts";
import { notFound } from "../reading.ts";
import { contradiction } from "../remote/contradiction.ts";
import type { ObjectPage, RemoteDriver } from "../remote/driver.ts";
import { objectInfo } from "../remote/object-info.ts";
import { Once } from "../remote/once.ts";
import { readNothing } from "../remote/read-nothing.ts";
import { httpRange, type ObjectAnswer, readObject } from "../remote/read-object.ts";
import { checkPutCondition, keepsUploadCondition } from "./conditions.ts";
import { readPage } from "./list-page.ts";
import { abandonUpload, beginUpload, sendUpload, sweepUploads } from "./multipart.ts";
import { lockFromNow } from "./object-lock.ts";
import type { S3ObjectLock } from "./options.ts";
import { isConflict, isTaken, isUnknownCondition, unconditional } from "./refusals.ts";
import { answerBehind } from "./service-answer.ts";
import type { S3Session } from "./session.ts";

export interface DriverSettings {
  readonly objectLock: S3ObjectLock | undefined;
  readonly multipartFromBytes: number;
  readonly partBytes: number;
  readonly clock: Clock;
}

/** Made by {@link openS3}. */
export class S3Driver implements RemoteDriver {
  readonly location: string;
  readonly capabilities: StorageCapabilities;
  readonly #session: S3Session;
  readonly #settings: DriverSettings;
  readonly #prepared = new Once<void>();
  readonly #uploadCondition = new Once<boolean>();

  constructor(session: S3Session, capabilities: StorageCapabilities, settings: DriverSettings) {
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
    await this.#prepared.done(signal, () => this.#prepare(signal));
    try {
      if (await this.#inParts(bytes.length, signal)) await this.#putParts(name, bytes, signal);
      else await this.#putWhole(name, bytes, sha256, signal);
      return "created";
    } catch (error) {
      if (isTaken(error)) return "exists";
      if (isConflict(error) && (await this.stat(name, signal)) !== null) return "exists";
      if (isUnknownCondition(error)) throw unconditional(this.location, error);
      throw error;
    }
  }

  async get(name: string, range: ByteRange | undefined, signal: AbortSignal): Promise<Buffer> {
    if (range?.length === 0) return readNothing(this, name, range, signal);
    const { sdk } = this.#session;
    const Range = range === undefined ? undefined : httpRange(range);
    const command = new sdk.GetObjectCommand({ ...this.#session.key(name), Range });
    try {
      return await this.#session.run(`Reading ${name}`, signal, async (client, options) =>
        readObject(objectAnswer(await client.send(command, options)), {
          name,
          location: this.location,
          range,
        }),
      );
    } catch (error) {
      const answer = answerBehind(error);
      if (answer?.code === "NoSuchKey") throw notFound(name, this.location, error);
      if (answer?.status === 416 && range !== undefined) return readNothing(this, name, range, signal);
      throw error;
    }
  }

  async list(prefix: string, next: string | undefined, signal: AbortSignal): Promise<ObjectPage> {
    const { sdk, bucket: Bucket, prefix: base } = this.#session;
    const command = new sdk.ListObjectsV2Command({
      Bucket,
      Prefix: base + prefix,
      EncodingType: "url",
      ContinuationToken: next,
    });
    const action = `Listing ${prefix === "" ? "the objects" : prefix}`;
    return this.#session.run(action, signal, async (client, options) =>
      readPage(await client.send(command, options), base),
    );
  }

  async stat(name: string, signal: AbortSignal): Promise<ObjectInfo | null> {
    const { sdk } = this.#session;
    const command = new sdk.HeadObjectCommand(this.#session.key(name));
    try {
      return await this.#session.run(`Looking for ${name}`, signal, async (client, options) => {
        const { ContentLength, LastModified } = await client.send(command, options);
        return objectInfo(name, ContentLength, LastModified);
      });
    } catch (error) {
      const status = answerBehind(error)?.status;
      if (status === undefined || status >= 500) throw error;
      return this.#explainAbsence(name, signal);
    }
  }

  async delete(name: string, signal: AbortSignal): Promise<void> {
    const { sdk } = this.#session;
    const command = new sdk.DeleteObjectCommand(this.#session.key(name));
    try {
      await this.#session.run(`Deleting ${name}`, signal, (client, options) => client.send(command, options));
    } catch (error) {
      if (answerBehind(error)?.code !== "NoSuchKey") throw error;
    }
  }

  async free(): Promise<null> {
    return null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#session[Symbol.dispose]();
  }

  async #prepare(signal: AbortSignal): Promise<void> {
    await Promise.all([
      checkPutCondition(this.#session, signal),
      // What cannot be swept takes space only; it is no reason to refuse a backup.
      sweepUploads(this.#session, signal).catch(() => undefined),
    ]);
  }

  /**
   * An object that is put whole may have 5 GiB, so where uploads in parts would overwrite there is this way. Locks too: Ceph
   * 16 forgets them in uploads, without a word.
   */
  async #inParts(length: number, signal: AbortSignal): Promise<boolean> {
    if (length <= this.#settings.multipartFromBytes) return false;
    if (this.capabilities.objectLock || this.#settings.objectLock !== undefined) return false;
    return this.#uploadCondition.done(signal, () => keepsUploadCondition(this.#session, signal));
  }

  async #putWhole(
    name: string,
    bytes: Uint8Array,
    sha256: Uint8Array | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const { objectLock, clock } = this.#settings;
    const digest = sha256 ?? createHash("sha256").update(bytes).digest();
    const command = new this.#session.sdk.PutObjectCommand({
      ...this.#session.key(name),
      ...lockFromNow(objectLock, clock),
      Body: bytes,
      ChecksumSHA256: Buffer.from(digest).toString("base64"),
      IfNoneMatch: "*",
    });
    await this.#session.run(`Storing ${name}`, signal, (client, options) => client.send(command, options));
  }

  async #putParts(name: string, bytes: Uint8Array, signal: AbortSignal): Promise<void> {
    const upload = await beginUpload(this.#session, name, signal);
    try {
      await sendUpload(this.#session, upload, bytes, this.#settings.partBytes, signal);
    } catch (error) {
      // Also after an answer that got lost: should the object be there, there is no upload any more.
      await abandonUpload(this.#session, upload);
      throw error;
    }
  }

  /** An answer to HEAD has no text, so a bucket that is missing looks like a missing object. GET tells them apart. */
  async #explainAbsence(name: string, signal: AbortSignal): Promise<null> {
    const { sdk } = this.#session;
    const command = new sdk.GetObjectCommand({ ...this.#session.key(name), Range: "bytes=0-0" });
    try {
      await this.#session.run(`Looking for ${name}`, signal, async (client, options) => {
        const range = { offset: 0, length: 1 };
        await readObject(objectAnswer(await client.send(command, options)), {
          name,
          location: this.location,
          range,
        });
      });
    } catch (error) {
      if (answerBehind(error)?.code === "NoSuchKey") return null;
      throw error;
    }
    throw contradiction(`${this.location} has ${name} after it said that it has not.`, name);
  }
}

function objectAnswer({ Body, ContentLength, ContentRange }: GetObjectCommandOutput): ObjectAnswer {
  return { body: Body, contentLength: ContentLength, contentRange: ContentRange };
}
