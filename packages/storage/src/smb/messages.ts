/**
 * What the driver and its helper processes say to each other: frames over one socket. A frame is two 32-bit little-endian
 * lengths, a JSON text of the first length, and bytes of the second. The bytes of a put follow its request without frames.
 *
 * The helper is not trusted: it parses what a hostile server sends, in C. Its frames are checked like those of a stranger.
 *
 * @module
 */
import { AppError } from "@holdfast/kernel";

export interface ConnectRequest {
  readonly op: "connect";
  /** The storage's folder as the library wants it. */
  readonly url: string;
  readonly port: number;
  readonly user: string;
  readonly domain: string | undefined;
  readonly password: string;
  readonly encrypt: "required" | "desired" | undefined;
  readonly kerberos: boolean;
  /** Make the storage's folder when it is missing. */
  readonly create: boolean;
  readonly timeoutMs: number;
}

export interface PutRequest {
  readonly op: "put";
  readonly name: string;
  readonly size: number;
  /** Name in the folder of temporary files. */
  readonly temporary: string;
  /** Name in the folder of locks. */
  readonly lock: string;
  /** Also remove old temporary files. */
  readonly sweep: boolean;
  /** Bytes of one call of the library, at most {@link SLICE_LENGTH}. */
  readonly slice: number;
}

export interface GetRequest {
  readonly op: "get";
  readonly name: string;
  readonly offset: number;
  /** Null for the whole object. */
  readonly length: number | null;
  /** As of a put. */
  readonly slice: number;
}

export type Request =
  | ConnectRequest
  | PutRequest
  | GetRequest
  | { readonly op: "list"; readonly folders: readonly string[] }
  | { readonly op: "stat" | "delete"; readonly name: string }
  | { readonly op: "free" };

/**
 * Where it failed: the library is not there, no connection or no share or folder, a share of DFS, no encryption, share modes that the
 * server ignores, a lock that somebody keeps, the object is missing, it is larger than a get may be, or any other call.
 */
export const FAILURE_STAGES = [
  "library",
  "connect",
  "dfs",
  "encryption",
  "share-modes",
  "lock",
  "missing",
  "size",
  "call",
] as const;
export type FailureStage = (typeof FAILURE_STAGES)[number];

export interface Failure {
  readonly stage: FailureStage;
  /** Name of an error number, such as `EACCES`. */
  readonly errno: string;
}

/** Name, bytes, milliseconds since the epoch. */
export type ListedObject = readonly [string, number, number];

export interface Done {
  readonly kind: "done";
  readonly outcome?: "created" | "exists";
  /** Of a stat: null when there is no such object. */
  readonly info?: readonly [number, number] | null;
  /** Of a list: folders that are still to be listed. */
  readonly folders?: readonly string[];
  /** Of a get: where the object ended, when that was too early. */
  readonly endedAt?: number;
  readonly free?: number | null;
}

export type Reply =
  | Done
  | { readonly kind: "progress" }
  /** How many bytes a get is going to give. */
  | { readonly kind: "length"; readonly length: number }
  | { readonly kind: "data" }
  | { readonly kind: "objects"; readonly objects: readonly ListedObject[] }
  | { readonly kind: "failed"; readonly failure: Failure };

export const HEADER_LENGTH = 8;
/** Bytes of an object in one frame, and in one call of the library. */
export const SLICE_LENGTH = 4 * 1024 * 1024;
/** Objects in one frame. */
export const OBJECTS_MAX = 1000;
/** Of an object that is read without a range. */
export const WHOLE_OBJECT_MAX = 64 * 1024 * 1024;
const MESSAGE_LENGTH_MAX = 8 * 1024 * 1024;

export function encodeFrame(message: Request | Reply, payloadLength = 0): Buffer {
  const text = Buffer.from(JSON.stringify(message));
  const header = Buffer.alloc(HEADER_LENGTH);
  header.writeUInt32LE(text.length, 0);
  header.writeUInt32LE(payloadLength, 4);
  return Buffer.concat([header, text]);
}

/** @throws AppError `ERR_STORAGE_FAILED` for lengths that no frame has. */
export function decodeHeader(header: Buffer): {
  readonly messageLength: number;
  readonly payloadLength: number;
} {
  const messageLength = header.readUInt32LE(0);
  const payloadLength = header.readUInt32LE(4);
  if (messageLength > MESSAGE_LENGTH_MAX || payloadLength > SLICE_LENGTH) throw malformed();
  return { messageLength, payloadLength };
}

export function malformed(): AppError {
  return new AppError("ERR_STORAGE_FAILED", "The helper process for SMB said something without sense.", {
    remedy: "Try again; if it stays so, report it with the versions of the server and of libsmbclient.",
  });
}
