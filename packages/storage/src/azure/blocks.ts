/**
 * Large objects in blocks (Azure Storage REST, "Put Block", "Put Block List"). Nothing is seen of the object before its list
 * of blocks is committed, and the condition that the name is free is checked then. Blocks of killed writers and of refused
 * commits vanish by themselves after a week; until then they take space.
 *
 * Two writers of one name share its blocks that are not committed: what keeps them apart is that no two uploads use the same
 * identifiers. A commit or a whole put of one drops the blocks of the other, whose commit then fails.
 *
 * @module
 */
import { randomBytes } from "node:crypto";
import { checkStored, md5 } from "./digest.ts";
import type { AzureSession } from "./session.ts";

/** Azure Storage REST, "Put Block List". */
const BLOCKS_MAX = 50_000;
const PARALLEL_BLOCKS = 4;

/** @returns the identifiers of the blocks, in order. */
export async function stageBlocks(
  session: AzureSession,
  name: string,
  bytes: Uint8Array,
  blockBytes: number,
  signal: AbortSignal,
): Promise<string[]> {
  const length = Math.max(blockBytes, Math.ceil(bytes.length / BLOCKS_MAX));
  const upload = randomBytes(15);
  const ids = Array.from({ length: Math.ceil(bytes.length / length) }, (_, index) => blockId(upload, index));
  const failed = new AbortController();
  const either = AbortSignal.any([signal, failed.signal]);
  const rest = ids.entries();
  const work = async (): Promise<void> => {
    for (const [index, id] of rest) {
      if (either.aborted) return;
      await stageBlock(session, name, id, bytes.subarray(index * length, (index + 1) * length), either);
    }
  };
  const workers = Array.from({ length: PARALLEL_BLOCKS }, () =>
    work().catch((error: unknown) => {
      // The others stop, and their cancellation is not what happened.
      failed.abort(error);
    }),
  );
  await Promise.all(workers);
  if (failed.signal.aborted) throw failed.signal.reason;
  return ids;
}

async function stageBlock(
  session: AzureSession,
  name: string,
  id: string,
  block: Uint8Array,
  signal: AbortSignal,
): Promise<void> {
  const digest = await md5(block);
  await session.runOn(name, `Sending a block of ${name}`, signal, async (blob, options) => {
    const answer = await blob.stageBlock(id, block, block.length, {
      ...options,
      transactionalContentMD5: digest,
    });
    checkStored(answer.contentMD5, digest);
  });
}

/** All of one object must have the same length. */
function blockId(upload: Buffer, index: number): string {
  const number = Buffer.alloc(3);
  number.writeUIntBE(index, 0, 3);
  return Buffer.concat([upload, number]).toString("base64");
}
