import type { ByteRange } from "../contract.ts";
import { notFound, tooShort } from "../reading.ts";
import { contradiction } from "./contradiction.ts";
import type { RemoteDriver } from "./driver.ts";

/**
 * Reads a range that HTTP cannot express: an empty one, or one that begins behind the end.
 *
 * @throws AppError `ERR_STORAGE_NOT_FOUND`, `ERR_DAMAGED`; `ERR_STORAGE_FAILED` when the object has bytes there after all.
 */
export async function readNothing(
  driver: RemoteDriver,
  name: string,
  range: ByteRange,
  signal: AbortSignal,
): Promise<Buffer> {
  const { location } = driver;
  const info = await driver.stat(name, signal);
  if (info === null) throw notFound(name, location);
  if (range.offset + range.length > info.size) throw tooShort(name, location, range, info.size);
  if (range.length === 0) return Buffer.alloc(0);
  throw contradiction(`${location} refuses a range that ${name} has.`, name);
}
