/**
 * A page of List Blobs as a page of objects.
 *
 * @module
 */
import type { ContainerListBlobFlatSegmentResponse } from "@azure/storage-blob";
import { isObjectName } from "../names.ts";
import type { ObjectPage } from "../remote/driver.ts";
import { objectInfo } from "../remote/object-info.ts";
import { TransportFailure } from "../remote/transport-failure.ts";

/** Azure's most is 5000; this bounds what an answer may need. */
export const LIST_PAGE_LENGTH = 2000;
const MARKER_LENGTH_MAX = 8192;

/**
 * Blobs whose names are no names of objects, ours or not, are left out.
 *
 * @param prefix what stands before the names of all objects.
 * @throws {TransportFailure}
 */
export function readPage(
  { segment, continuationToken }: ContainerListBlobFlatSegmentResponse,
  prefix: string,
): ObjectPage {
  const objects = segment.blobItems.flatMap(({ name: blob, properties }) => {
    const name = blob.startsWith(prefix) ? blob.slice(prefix.length) : "";
    return isObjectName(name) ? [objectInfo(name, properties.contentLength, properties.lastModified)] : [];
  });
  if (continuationToken === undefined || continuationToken === "") return { objects, next: undefined };
  if (continuationToken.length > MARKER_LENGTH_MAX) {
    throw new TransportFailure("ERR_STORAGE_FAILED", "its list goes on at a place that makes no sense");
  }
  return { objects, next: continuationToken };
}
