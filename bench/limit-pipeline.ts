/**
 * The work that no backup program can avoid, done once in one thread with the best calls the runtime has, each part
 * timed by itself: walk, read, find zeros, SHA-256, zstd level 3, AES-256-GCM, write; and the way back.
 *
 * Files up to 256 KiB travel in blocks of 1 MiB, larger ones in blocks of their own. Zero blocks and blocks seen
 * before are not compressed. Where zstd gains less than 3 % its time does not count: a program can notice noise
 * for almost nothing.
 */
import { hash } from "node:crypto";
import { createCipheriv, createDecipheriv, createSecretKey, randomBytes, randomFillSync } from "node:crypto";
import { closeSync, constants, fsyncSync, mkdirSync, openSync, readSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { constants as zlib, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import type { LimitPart } from "./records.ts";
import { listTree, type TreeFile } from "./tree.ts";

const BLOCK_BYTES = 1 << 20;
const SMALL_FILE_BYTES = 256 << 10;
const PACK_BUFFER_BYTES = 4 << 20;
const DIRECT_ALIGNMENT = 4096;
const TAG_BYTES = 16;
const NOISE_RATIO = 0.97;
const LEVEL_3 = { params: { [zlib.ZSTD_c_compressionLevel]: 3 } };

export interface PartTime {
  readonly bytes: number;
  readonly cpuSeconds: number;
  readonly wallSeconds: number;
}

interface StoredBlock {
  readonly packOffset: number;
  readonly storedBytes: number;
  readonly compressed: boolean;
  readonly nonce: Uint8Array;
  readonly tag: Uint8Array;
}

/** A block in the order of the files; undefined stands for zeros. */
interface BlockReference {
  readonly bytes: number;
  readonly stored: StoredBlock | undefined;
}

/**
 * Adds up CPU time, wall time and bytes by part. The whole process counts: only RUSAGE_SELF is exact to the microsecond
 * (RUSAGE_THREAD lags by up to a clock tick), and all work here is on this thread.
 */
class Stopwatch {
  readonly #times = new Map<LimitPart, PartTime>();

  time<Result>(part: LimitPart, bytes: number, work: () => Result): Result {
    return this.timeIf(part, work, () => bytes);
  }

  /** Like time, but the bytes come from the result; undefined means that the work does not count. */
  timeIf<Result>(
    part: LimitPart,
    work: () => Result,
    bytesOf: (result: Result) => number | undefined,
  ): Result {
    const cpuBefore = process.cpuUsage();
    const wallBefore = process.hrtime.bigint();
    const result = work();
    const wallSeconds = Number(process.hrtime.bigint() - wallBefore) / 1e9;
    const cpu = process.cpuUsage(cpuBefore);
    const bytes = bytesOf(result);
    if (bytes === undefined) return result;
    const sum = this.#times.get(part) ?? { bytes: 0, cpuSeconds: 0, wallSeconds: 0 };
    this.#times.set(part, {
      bytes: sum.bytes + bytes,
      cpuSeconds: sum.cpuSeconds + (cpu.user + cpu.system) / 1e6,
      wallSeconds: sum.wallSeconds + wallSeconds,
    });
    return result;
  }

  times(): ReadonlyMap<LimitPart, PartTime> {
    return this.#times;
  }
}

export class LimitPipeline {
  readonly #root: string;
  readonly #pack: string;
  readonly #watch = new Stopwatch();
  readonly #key = createSecretKey(randomBytes(32));
  readonly #seen = new Map<string, StoredBlock>();
  readonly #blocks: BlockReference[] = [];
  // WebAssembly memory starts at a page boundary, which O_DIRECT asks for and a Buffer does not promise.
  readonly #block = pageAligned(BLOCK_BYTES);
  readonly #packBuffer = pageAligned(PACK_BUFFER_BYTES);
  readonly #zeros = Buffer.alloc(BLOCK_BYTES);
  #files: readonly TreeFile[] = [];
  #packFile = -1;
  #packBytes = 0;

  constructor(root: string, packPath: string) {
    this.#root = root;
    this.#pack = packPath;
  }

  times(): ReadonlyMap<LimitPart, PartTime> {
    return this.#watch.times();
  }

  /** Source to pack. */
  store(): void {
    this.#files = this.#watch.time("walk", 0, () => listTree(this.#root).files);
    this.#packFile = openDirect(this.#pack, constants.O_CREAT | constants.O_TRUNC | constants.O_WRONLY);
    let next = 0;
    while (next < this.#files.length) {
      const file = this.#files[next];
      if (file !== undefined && file.bytes > SMALL_FILE_BYTES) {
        this.#storeLargeFile(file);
        next++;
      } else next = this.#storeSmallFiles(next);
    }
    this.#watch.time("write packs", 0, () => {
      this.#flushPack(true);
      fsyncSync(this.#packFile);
    });
    closeSync(this.#packFile);
  }

  /** Pack to files below `target`, each block's hash taken again as a verification would. */
  restore(target: string): void {
    const pack = openDirect(this.#pack, constants.O_RDONLY);
    const writer = new FileWriter(target, this.#files);
    const seal = {
      key: this.#key,
      watch: this.#watch,
      buffer: pageAligned(BLOCK_BYTES + 3 * DIRECT_ALIGNMENT),
    };
    for (const { bytes, stored } of this.#blocks) {
      const plain = stored === undefined ? this.#zeros.subarray(0, bytes) : openBlock(pack, stored, seal);
      if (stored !== undefined)
        this.#watch.time("check SHA-256", bytes, () => hash("sha256", plain, "buffer"));
      this.#watch.time("create files", bytes, () => writer.write(plain));
    }
    this.#watch.time("create files", 0, () => writer.finish());
    closeSync(pack);
  }

  /** Fills one block with files from `first` on; the index of the file after them. */
  #storeSmallFiles(first: number): number {
    let used = 0;
    let next = first;
    this.#watch.timeIf(
      "read",
      () => {
        for (; next < this.#files.length; next++) {
          const file = this.#files[next];
          if (file === undefined || file.bytes > SMALL_FILE_BYTES || used + file.bytes > BLOCK_BYTES) break;
          const descriptor = openSync(join(this.#root, file.path), "r");
          readSync(descriptor, this.#block, used, file.bytes, null);
          closeSync(descriptor);
          used += file.bytes;
        }
      },
      () => used,
    );
    this.#storeBlock(this.#block.subarray(0, used));
    return next;
  }

  #storeLargeFile(file: TreeFile): void {
    const descriptor = openDirect(join(this.#root, file.path), constants.O_RDONLY);
    for (let offset = 0; offset < file.bytes; ) {
      const read = (): number => readSync(descriptor, this.#block, 0, BLOCK_BYTES, offset);
      const count = this.#watch.timeIf("read", read, (bytes) => bytes);
      if (count === 0) throw new Error(`${file.path} became shorter`);
      this.#storeBlock(this.#block.subarray(0, count));
      offset += count;
    }
    closeSync(descriptor);
  }

  #storeBlock(block: Uint8Array): void {
    const bytes = block.length;
    const zeros = this.#zeros.subarray(0, bytes);
    const isZero = this.#watch.time("zero test", bytes, () => Buffer.compare(block, zeros) === 0);
    if (isZero) {
      this.#blocks.push({ bytes, stored: undefined });
      return;
    }
    const id = this.#watch.time("SHA-256", bytes, () => hash("sha256", block, "buffer")).toString("latin1");
    const stored = this.#seen.get(id) ?? this.#storeNewBlock(block);
    this.#seen.set(id, stored);
    this.#blocks.push({ bytes, stored });
  }

  #storeNewBlock(block: Uint8Array): StoredBlock {
    const gains = (small: Uint8Array): boolean => small.length < block.length * NOISE_RATIO;
    const small = this.#watch.timeIf(
      "zstd-3",
      () => zstdCompressSync(block, LEVEL_3),
      (result) => (gains(result) ? block.length : undefined),
    );
    const compressed = gains(small);
    const plain = compressed ? small : block;
    const nonce = randomFillSync(new Uint8Array(12));
    const { sealed, tag } = this.#watch.time("AES-256-GCM", plain.length, () => {
      const cipher = createCipheriv("aes-256-gcm", this.#key, nonce);
      const bytes = cipher.update(plain);
      cipher.final();
      return { sealed: bytes, tag: cipher.getAuthTag() };
    });
    const packOffset = this.#packBytes;
    this.#watch.time("write packs", sealed.length, () => this.#append(sealed));
    return { packOffset, storedBytes: sealed.length, compressed, nonce, tag };
  }

  #append(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length; ) {
      const at = this.#packBytes % PACK_BUFFER_BYTES;
      const count = Math.min(bytes.length - done, PACK_BUFFER_BYTES - at);
      this.#packBuffer.set(bytes.subarray(done, done + count), at);
      this.#packBytes += count;
      done += count;
      if (this.#packBytes % PACK_BUFFER_BYTES === 0) this.#flushPack(false);
    }
  }

  #flushPack(last: boolean): void {
    const used = last ? this.#packBytes % PACK_BUFFER_BYTES : PACK_BUFFER_BYTES;
    const padded = Math.ceil(used / DIRECT_ALIGNMENT) * DIRECT_ALIGNMENT;
    if (padded > 0) writeSync(this.#packFile, this.#packBuffer, 0, padded);
  }
}

/** Creates the files one after the other from one stream of bytes. */
class FileWriter {
  readonly #target: string;
  readonly #files: readonly TreeFile[];
  readonly #folders = new Set<string>();
  #index = -1;
  #descriptor = -1;
  #left = 0;

  constructor(target: string, files: readonly TreeFile[]) {
    this.#target = target;
    this.#files = files;
  }

  write(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length; ) {
      while (this.#left === 0) this.#openNext();
      const count = Math.min(this.#left, bytes.length - done);
      writeSync(this.#descriptor, bytes, done, count);
      this.#left -= count;
      done += count;
    }
  }

  finish(): void {
    while (this.#index < this.#files.length) this.#openNext();
  }

  #openNext(): void {
    if (this.#descriptor >= 0) closeSync(this.#descriptor);
    this.#descriptor = -1;
    const file = this.#files[++this.#index];
    if (file === undefined) return;
    const path = join(this.#target, file.path);
    const directory = dirname(path);
    if (!this.#folders.has(directory)) mkdirSync(directory, { recursive: true });
    this.#folders.add(directory);
    this.#descriptor = openSync(path, "wx");
    this.#left = file.bytes;
  }
}

interface Seal {
  readonly key: ReturnType<typeof createSecretKey>;
  readonly watch: Stopwatch;
  readonly buffer: Uint8Array;
}

function openBlock(pack: number, block: StoredBlock, { key, watch, buffer }: Seal): Uint8Array {
  const start = block.packOffset - (block.packOffset % DIRECT_ALIGNMENT);
  const skip = block.packOffset - start;
  const span = Math.ceil((skip + block.storedBytes) / DIRECT_ALIGNMENT) * DIRECT_ALIGNMENT;
  watch.time("read packs", block.storedBytes, () => readSync(pack, buffer, 0, span, start));
  const plain = watch.time("decrypt", block.storedBytes, () => {
    const decipher = createDecipheriv("aes-256-gcm", key, block.nonce, { authTagLength: TAG_BYTES });
    decipher.setAuthTag(block.tag);
    const bytes = decipher.update(buffer.subarray(skip, skip + block.storedBytes));
    decipher.final();
    return bytes;
  });
  if (!block.compressed) return plain;
  return watch.timeIf(
    "decompress",
    () => zstdDecompressSync(plain),
    (result) => result.length,
  );
}

function pageAligned(bytes: number): Uint8Array {
  const pages = Math.ceil(bytes / 65536);
  return new Uint8Array(new WebAssembly.Memory({ initial: pages, maximum: pages }).buffer, 0, bytes);
}

/** Opens past the page cache where the file system can. */
function openDirect(path: string, flags: number): number {
  try {
    return openSync(path, flags | ((constants.O_DIRECT as number | undefined) ?? 0));
  } catch {
    return openSync(path, flags);
  }
}
