/**
 * The config object: identity, suite and public key of a repository (docs/format.md, section 3.4).
 *
 * @module
 */
import { timingSafeEqual } from "node:crypto";
import { hmacSha256, type Suite, suiteByCode } from "@holdfast/crypto";
import { ByteReader, ByteWriter } from "@holdfast/kernel";
import {
  damagedObject,
  HASH_BYTES,
  HEAD_BYTES,
  readHead,
  withChecksum,
  withoutChecksum,
  writeHead,
} from "./head.ts";
import { CONFIG_NAME } from "./object-names.ts";

export interface RepositoryConfig {
  readonly repository: Buffer;
  readonly suite: Suite;
  readonly createdMs: number;
  readonly chunkMin: number;
  readonly chunkAverage: number;
  readonly chunkMax: number;
  /** X-Wing public key that sessions seal their keys to. Not to be used before {@link checkConfigMac}. */
  readonly publicKey: Buffer;
}

const KEM_X_WING = 1;
const PUBLIC_KEY_BYTES = 1216;
const CHUNK_BYTES_MAX = 8 * 1024 * 1024;

export function encodeConfig(config: RepositoryConfig, configKey: Uint8Array): Buffer {
  const front = writeHead(new ByteWriter(2048), "config", config.repository)
    .u8(config.suite.code)
    .u8(KEM_X_WING)
    .u16(0)
    .u64(BigInt(config.createdMs))
    .u32(config.chunkMin)
    .u32(config.chunkAverage)
    .u32(config.chunkMax)
    .raw(config.publicKey)
    .finish();
  return withChecksum(Buffer.concat([front, hmacSha256(configKey, front)]));
}

/** @throws AppError `ERR_DAMAGED` or `ERR_FORMAT_VERSION`. The MAC is not checked yet: see {@link checkConfigMac}. */
export function decodeConfig(bytes: Buffer): RepositoryConfig {
  const reader = new ByteReader(withoutChecksum(bytes, CONFIG_NAME), "The object config");
  const repository = readHead(reader, "config");
  const suite = suiteByCode(reader.u8());
  if (reader.u8() !== KEM_X_WING || reader.u16() !== 0) reader.fail("a reserved field is set");
  const createdMs = Number(reader.u64());
  const [chunkMin, chunkAverage, chunkMax] = [reader.u32(), reader.u32(), reader.u32()];
  if (
    !(chunkMin > 0 && chunkMin <= chunkAverage && chunkAverage <= chunkMax && chunkMax <= CHUNK_BYTES_MAX)
  ) {
    reader.fail("its chunk sizes make no sense");
  }
  const publicKey = Buffer.from(reader.raw(PUBLIC_KEY_BYTES));
  reader.raw(HASH_BYTES);
  reader.end();
  return { repository, suite, createdMs, chunkMin, chunkAverage, chunkMax, publicKey };
}

/** @throws AppError `ERR_DAMAGED` when the config was not written by a holder of the table key. */
export function checkConfigMac(bytes: Buffer, configKey: Uint8Array): void {
  const end = bytes.length - 2 * HASH_BYTES;
  if (end < HEAD_BYTES) throw damagedObject(CONFIG_NAME, "it is too short");
  const mac = hmacSha256(configKey, bytes.subarray(0, end));
  if (!timingSafeEqual(mac, bytes.subarray(end, end + HASH_BYTES))) {
    throw damagedObject(
      CONFIG_NAME,
      "its authentication code does not match; somebody may have exchanged the public key",
    );
  }
}
