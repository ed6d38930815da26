/**
 * Goes through a tree of which parts may be lost: what cannot be read is told, and the rest goes on.
 *
 * @module
 */
import { type AppError, isAppError } from "@holdfast/kernel";
import { joinPath } from "../tree/paths.ts";
import type { Section } from "../tree/page.ts";
import { type ReadRecord, throwIfCancelled } from "../tree/records.ts";
import {
  childrenOf,
  readRef,
  rootRef,
  sectionsOf,
  type TreeRef,
  type TreeRoot,
} from "../tree/tree-descent.ts";
import { isPassable } from "./record-reader.ts";

/** A page or node that could not be read, with everything below it. */
export interface LostPart {
  /** The first path in it; empty when it is the whole tree. */
  readonly firstPath: Buffer;
  /** How many entries were in it; undefined when it is the whole tree. */
  readonly entries: number | undefined;
  readonly ref: TreeRef;
  readonly error: AppError;
}

export interface WalkWhatIsLeftOptions {
  readonly onLost: (lost: LostPart) => void;
  /** True for a part that need not be read. */
  readonly skip?: ((ref: TreeRef) => boolean) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A page with the reference that led to it. */
export interface WalkedPage {
  readonly ref: TreeRef;
  readonly plaintext: Buffer;
  readonly sections: readonly Section[];
}

const PAGES_AHEAD = 4;

/** The pages in order. @throws AppError of the storage, `ERR_CANCELLED`. */
export async function* walkWhatIsLeft(
  readRecord: ReadRecord,
  root: TreeRoot,
  options: WalkWhatIsLeftOptions,
): AsyncGenerator<WalkedPage, void, undefined> {
  const read = async (ref: TreeRef): Promise<Buffer | AppError> => {
    try {
      return await readRef(readRecord, ref);
    } catch (error) {
      if (isPassable(error)) return error;
      throw error;
    }
  };
  for await (const { ref, result } of ahead(pageRefs(read, root, options), read)) {
    throwIfCancelled(options.signal);
    const page = attempt(ref, result, options, (plaintext) => ({
      ref,
      plaintext,
      sections: sectionsOf(ref, plaintext),
    }));
    if (page !== undefined) yield page;
  }
}

type Read = (ref: TreeRef) => Promise<Buffer | AppError>;

async function* pageRefs(
  read: Read,
  root: TreeRoot,
  options: WalkWhatIsLeftOptions,
): AsyncGenerator<TreeRef, void, undefined> {
  const pending: TreeRef[] = [rootRef(root)];
  for (let ref = pending.pop(); ref !== undefined; ref = pending.pop()) {
    throwIfCancelled(options.signal);
    if (options.skip?.(ref) === true) continue;
    if (ref.level === 0) {
      yield ref;
      continue;
    }
    const node = ref;
    const children = attempt(node, await read(node), options, (plaintext) => childrenOf(node, plaintext));
    for (const child of children?.toReversed() ?? []) pending.push(child);
  }
}

function attempt<T>(
  ref: TreeRef,
  result: Buffer | AppError,
  { onLost }: WalkWhatIsLeftOptions,
  decode: (plaintext: Buffer) => T,
): T | undefined {
  try {
    if (!Buffer.isBuffer(result)) throw result;
    return decode(result);
  } catch (error) {
    if (!isAppError(error, "ERR_DAMAGED") && !isPassable(error)) throw error;
    onLost({ ...placeOf(ref), ref, error });
    return undefined;
  }
}

function placeOf({ child }: TreeRef): Pick<LostPart, "firstPath" | "entries"> {
  if (child === undefined) return { firstPath: Buffer.alloc(0), entries: undefined };
  return { firstPath: joinPath(child.first.directory, child.first.name), entries: child.entries };
}

/** Starts the reading of some pages before they are asked for. */
async function* ahead(
  refs: AsyncIterable<TreeRef>,
  read: Read,
): AsyncGenerator<{ readonly ref: TreeRef; readonly result: Buffer | AppError }, void, undefined> {
  const started: { readonly ref: TreeRef; readonly reading: Promise<Buffer | AppError> }[] = [];
  for await (const ref of refs) {
    const reading = read(ref);
    // A failure is reported when its turn comes, or not at all when the caller stops before.
    reading.catch(() => undefined);
    started.push({ ref, reading });
    const first = started.length > PAGES_AHEAD ? started.shift() : undefined;
    if (first !== undefined) yield { ref: first.ref, result: await first.reading };
  }
  for (const { ref, reading } of started) yield { ref, result: await reading };
}
