/**
 * What a lease holds and what its box is bound to (docs/protocol.md, section 5).
 *
 * @module
 */
import { z } from "zod";
import { base64 } from "../values.ts";

const key = base64(32);

/** Keys of a repository as docs/format.md, section 3, names them: what a capability does not need is absent. */
export const leasedKeys = z.object({
  repository: z.string(),
  tableKey: key,
  idKey: key.optional(),
  chunkerKey: key.optional(),
  publicKey: base64(1216).optional(),
  privateSeed: key.optional(),
});

/** Of a storage, as the file of `--credentials` has them. */
export const leasedCredentials = z.record(z.string().max(40), z.string().max(64 * 1024));

export const leasePayload = z.object({
  storages: z.record(z.string(), leasedCredentials),
  repository: leasedKeys.optional(),
});
export type LeasePayload = z.infer<typeof leasePayload>;

/** What binds the box to its device, run, lease and time. */
export function leaseContext(lease: {
  readonly device: string;
  readonly run: string;
  readonly lease: string;
  readonly until: number;
}): Buffer {
  const parts = [Buffer.from("holdfast/1/lease", "ascii")];
  for (const text of [lease.device, lease.run, lease.lease, String(lease.until)]) {
    const bytes = Buffer.from(text, "utf8");
    const length = Buffer.alloc(4);
    length.writeUInt32LE(bytes.length);
    parts.push(length, bytes);
  }
  return Buffer.concat(parts);
}
