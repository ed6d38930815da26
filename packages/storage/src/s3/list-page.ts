/**
 * A page of ListObjectsV2 as a page of objects.
 *
 * @module
 */
import type { ListObjectsV2CommandOutput } from "@aws-sdk/client-s3";
import { isObjectName } from "../names.ts";
import type { ObjectPage } from "../remote/driver.ts";
import { objectInfo } from "../remote/object-info.ts";
import { TransportFailure } from "../remote/transport-failure.ts";

const TOKEN_LENGTH_MAX = 4096;

/**
 * Keys that are no names of objects, ours or not, are left out.
 *
 * @param prefix what stands before the names of all objects.
 * @throws {TransportFailure}
 */
export function readPage(output: ListObjectsV2CommandOutput, prefix: string): ObjectPage {
  const objects = (output.Contents ?? []).flatMap(({ Key, Size, LastModified }) => {
    const name = nameOf(Key ?? "", prefix);
    return name === undefined ? [] : [objectInfo(name, Size, LastModified)];
  });
  if (output.IsTruncated !== true) return { objects, next: undefined };
  const next = output.NextContinuationToken;
  if (next === undefined || next === "" || next.length > TOKEN_LENGTH_MAX) {
    throw new TransportFailure(
      "ERR_STORAGE_FAILED",
      "its list says that there is more, but not how to get it",
    );
  }
  return { objects, next };
}

/** Keys come escaped, since XML cannot express all of them. */
function nameOf(escaped: string, prefix: string): string | undefined {
  let key;
  try {
    key = decodeURIComponent(escaped.replaceAll("+", " "));
  } catch {
    return undefined;
  }
  if (!key.startsWith(prefix)) return undefined;
  const name = key.slice(prefix.length);
  return isObjectName(name) ? name : undefined;
}
