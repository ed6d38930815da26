/**
 * The change cache: what the last backup of the same paths saw, so that this one reads only what is new or changed.
 *
 * A local file that may be lost, damaged or exchanged at any time: then everything is read once more and found to be in the
 * repository already. It holds names, metadata and the content of tiny files, and is sealed under a key of its own.
 *
 *     head (64):  "HFCC" ‖ u32 version ‖ repository (16) ‖ salt (32) ‖ u64 0
 *     blocks:     sealed, anywhere behind the head, each at its own offset
 *     contents:   sealed: which paths, when, totals, and the blocks in the order of the tree
 *     end (16):   u64 offset of the contents ‖ u32 their length ‖ "HFCE"
 *
 * Sealed = AES-256-GCM(key, nonce = u64 offset in the file ‖ u32 0 or 1 (contents), aad = head) ‖ tag. The key is derived from the
 * repository's id key and the salt, which is drawn anew for each file, so that no nonce repeats.
 *
 * @module
 */
import { createSecretKey, type KeyObject } from "node:crypto";
import { deriveKey, FRAME_BOX_OVERHEAD_BYTES, hmacSha256, openNonce, sealNonce } from "@holdfast/crypto";
import { ByteReader, ByteWriter } from "@holdfast/kernel";
import type { CacheBlock } from "../messages.ts";
import { toBytes, toText } from "../path-text.ts";

export const HEAD_BYTES = 64;
export const END_BYTES = 16;
const MAGIC = Buffer.from("HFCC", "latin1");
const END_MAGIC = Buffer.from("HFCE", "latin1");
const VERSION = 1;
const SALT_OFFSET = 24;
const SALT_BYTES = 32;
const PATH_BYTES_MAX = 1024 * 1024;
const BLOCKS_MAX = 16 * 1024 * 1024;

/** What the cache of a backup is bound to. */
export interface CacheSubject {
  readonly repository: Buffer;
  readonly host: string;
  /** Sorted. */
  readonly paths: readonly Buffer[];
}

export interface CacheContents {
  /** When the backup that wrote it started, ms since 1970. */
  readonly startedMs: number;
  readonly files: number;
  readonly bytes: number;
  /** In the order of the tree. */
  readonly blocks: readonly CacheBlock[];
}

/** One cache per repository, host and set of paths; the name tells none of them. */
export function cacheFileName(idKey: Buffer, subject: CacheSubject): string {
  const key = deriveKey(idKey, subject.repository, "holdfast/1/cache", 32);
  const writer = new ByteWriter().text(subject.host);
  for (const path of subject.paths) writer.blob(path);
  const name = hmacSha256(key, writer.finish()).toString("hex", 0, 16);
  key.fill(0);
  return name;
}

export function encodeHead(repository: Buffer, salt: Buffer): Buffer {
  const head = Buffer.alloc(HEAD_BYTES);
  head.set(MAGIC, 0);
  head.writeUInt32LE(VERSION, 4);
  head.set(repository, 8);
  head.set(salt, SALT_OFFSET);
  return head;
}

/** The salt, or undefined when the head is of another repository or version. */
export function saltOf(head: Buffer, repository: Buffer): Buffer | undefined {
  const salt = Buffer.from(head.subarray(SALT_OFFSET, SALT_OFFSET + SALT_BYTES));
  return head.equals(encodeHead(repository, salt)) ? salt : undefined;
}

/** Seals and opens the parts of one cache file. */
export class CacheSeal {
  readonly #key: KeyObject;
  readonly #head: Buffer;
  readonly #nonce = Buffer.alloc(12);

  /** @param key 32 bytes of {@link cacheKeyOf}; not kept. */
  constructor(key: Uint8Array, head: Buffer) {
    this.#key = createSecretKey(key);
    this.#head = head;
  }

  seal(plaintext: Uint8Array, offset: number, isContents: boolean): Buffer {
    const sealed = Buffer.allocUnsafeSlow(plaintext.length + FRAME_BOX_OVERHEAD_BYTES);
    sealNonce(this.#key, this.#nonceOf(offset, isContents), this.#head, plaintext, sealed);
    return sealed;
  }

  /** @throws AppError `ERR_DAMAGED`. */
  open(sealed: Uint8Array, offset: number, isContents: boolean): Buffer {
    return openNonce(this.#key, this.#nonceOf(offset, isContents), this.#head, sealed, "The change cache");
  }

  #nonceOf(offset: number, isContents: boolean): Buffer {
    this.#nonce.writeBigUInt64LE(BigInt(offset), 0);
    this.#nonce.writeUInt32LE(isContents ? 1 : 0, 8);
    return this.#nonce;
  }
}

/** The key of one cache file. */
export function cacheKeyOf(idKey: Buffer, head: Buffer): Buffer {
  return deriveKey(
    idKey,
    head.subarray(SALT_OFFSET, SALT_OFFSET + SALT_BYTES),
    "holdfast/1/cache/blocks",
    32,
  );
}

export function encodeContents(subject: CacheSubject, contents: CacheContents): Buffer {
  const writer = new ByteWriter(64 * 1024).text(subject.host).varint(subject.paths.length);
  for (const path of subject.paths) writer.blob(path);
  writer.varint(contents.startedMs).varint(contents.files).varint(contents.bytes);
  writer.varint(contents.blocks.length);
  for (const { directory, name, offset, length } of contents.blocks) {
    writer.blob(toBytes(directory)).blob(toBytes(name)).varint(offset).varint(length);
  }
  return writer.finish();
}

/** Undefined when they are another subject's. @throws AppError `ERR_DAMAGED`. */
export function decodeContents(bytes: Buffer, subject: CacheSubject): CacheContents | undefined {
  const reader = new ByteReader(bytes, "The change cache");
  if (reader.text(PATH_BYTES_MAX) !== subject.host) return undefined;
  if (reader.varint() !== subject.paths.length) return undefined;
  for (const path of subject.paths) if (!reader.blob(PATH_BYTES_MAX).equals(path)) return undefined;
  const totals = { startedMs: reader.varint(), files: reader.varint(), bytes: reader.varint() };
  const count = reader.varint(BLOCKS_MAX);
  const blocks: CacheBlock[] = [];
  for (let index = 0; index < count; index += 1) {
    const directory = toText(reader.blob(PATH_BYTES_MAX));
    const name = toText(reader.blob(PATH_BYTES_MAX));
    blocks.push({ directory, name, offset: reader.varint(), length: reader.varint() });
  }
  reader.end();
  return { ...totals, blocks };
}

export function encodeEnd(offset: number, length: number): Buffer {
  const end = Buffer.alloc(END_BYTES);
  end.writeBigUInt64LE(BigInt(offset), 0);
  end.writeUInt32LE(length, 8);
  end.set(END_MAGIC, 12);
  return end;
}

/** Undefined when the file was not finished. */
export function decodeEnd(
  end: Buffer,
  fileLength: number,
): { readonly offset: number; readonly length: number } | undefined {
  if (!end.subarray(12).equals(END_MAGIC)) return undefined;
  const offset = Number(end.readBigUInt64LE(0));
  const length = end.readUInt32LE(8);
  return offset >= HEAD_BYTES && offset + length + END_BYTES === fileLength ? { offset, length } : undefined;
}
