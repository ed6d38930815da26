/**
 * The content of one file as a stream.
 *
 * @module
 */
import { AppError, VERIFY_DATA_REMEDY } from "@holdfast/kernel";
import {
  type Copy,
  type CopyReader,
  type FileEntry,
  lookup,
  openCopyReader,
  type PlacedSegment,
  readSegments,
  type Repository,
  showPath,
} from "@holdfast/repository";

/** Chunks that are read before they are asked for: enough to cover the latency of a far storage. */
const CHUNKS_AHEAD = 4;
const ZEROS = Buffer.alloc(256 * 1024);

export interface DumpOptions {
  readonly signal?: AbortSignal;
}

/**
 * The bytes of a file of a copy in order, holes as zeros. Every piece was checked against its id.
 *
 * @param path from the top of the copy, without a leading slash.
 * @throws AppError `ERR_PATH_NOT_FOUND` when there is no file at `path`; `ERR_DAMAGED` at the first chunk that is.
 */
export async function* dumpFile(
  repository: Repository,
  copy: Copy,
  path: Buffer,
  options: DumpOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  const { signal } = options;
  using reader = await openCopyReader(repository, { signal });
  const entry = await lookup(reader.readRecord, copy.table.root, path);
  if (entry?.kind !== "file") throw notAFile(path, entry === undefined);
  yield* readContent(reader, entry, options);
}

export interface ReadContentOptions {
  readonly signal?: AbortSignal | undefined;
  /** The first byte wanted. */
  readonly from?: number | undefined;
  /** Behind the last byte wanted. */
  readonly to?: number | undefined;
}

/**
 * The bytes of a file, or of a part of it; only the chunks that it takes are read.
 *
 * @throws AppError `ERR_DAMAGED` at the first chunk that is, `ERR_CANCELLED`.
 */
export async function* readContent(
  reader: Pick<CopyReader, "readRecord" | "readChunk">,
  entry: FileEntry,
  { from = 0, to = entry.size, signal }: ReadContentOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  let offset = from;
  for await (const { at, bytes } of contentFrom(reader, entry, { from, to, signal })) {
    const piece = bytes.subarray(Math.max(0, offset - at), Math.max(0, to - at));
    offset += piece.length;
    if (piece.length > 0) yield piece;
  }
}

interface PlacedBytes {
  readonly at: number;
  readonly bytes: Uint8Array;
}

async function* contentFrom(
  reader: Pick<CopyReader, "readRecord" | "readChunk">,
  { content, size }: FileEntry,
  {
    from,
    to,
    signal,
  }: { readonly from: number; readonly to: number; readonly signal: AbortSignal | undefined },
): AsyncGenerator<PlacedBytes, void, undefined> {
  if (content.form === "empty") return;
  if (content.form === "inline") {
    yield { at: 0, bytes: content.bytes };
    return;
  }
  const started: { readonly placed: PlacedSegment; readonly chunk: Promise<Buffer | undefined> }[] = [];
  const segments = readSegments({ size, content }, reader.readRecord, {
    from,
    ...(signal === undefined ? {} : { signal }),
  });
  for await (const placed of segments) {
    if (placed.offset >= to) break;
    const { segment } = placed;
    const chunk = segment.kind === "data" ? reader.readChunk(segment.id) : Promise.resolve(undefined);
    // A failure is reported when its turn comes, or not at all when the caller stops before.
    chunk.catch(() => undefined);
    started.push({ placed, chunk });
    const first = started.length > CHUNKS_AHEAD ? started.shift() : undefined;
    if (first !== undefined) yield* bytesOf(first.placed, await first.chunk);
    throwIfCancelled(signal);
  }
  for (const { placed, chunk } of started) yield* bytesOf(placed, await chunk);
}

function* bytesOf({ segment, offset }: PlacedSegment, chunk: Buffer | undefined): Generator<PlacedBytes> {
  if (chunk !== undefined) {
    if (chunk.length !== segment.length) {
      throw new AppError("ERR_DAMAGED", "A chunk has another length than the copy says.", {
        remedy: VERIFY_DATA_REMEDY,
      });
    }
    yield { at: offset, bytes: chunk };
    return;
  }
  for (let left = segment.length; left > 0; left -= ZEROS.length) {
    const bytes = ZEROS.subarray(0, Math.min(left, ZEROS.length));
    yield { at: offset + segment.length - left, bytes };
  }
}

function throwIfCancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted !== true) return;
  if (signal.reason instanceof AppError) throw signal.reason;
  throw new AppError("ERR_CANCELLED", "Reading the file was cancelled.");
}

function notAFile(path: Buffer, missing: boolean): AppError {
  const subject = showPath(path);
  return new AppError("ERR_PATH_NOT_FOUND", `${subject} is ${missing ? "not in the copy" : "no file"}.`, {
    subject,
    remedy: "List the copy with `holdfast ls` to see what is in it.",
  });
}
