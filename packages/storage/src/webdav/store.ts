/**
 * Storing an object: `PUT` to a temporary name, a look whether all of it arrived, and `MOVE` to its own name under a claim.
 *
 * `PUT` with `If-None-Match: *` straight to the name would save requests, but a cut upload leaves a short file on many
 * servers, and it would have the object's name.
 *
 * @module
 */
import { dirname } from "node:path/posix";
import { AppError, type Clock, type Randomness } from "@holdfast/kernel";
import { throwIfAborted } from "../cancel.ts";
import { TEMPORARY_FOLDER } from "../names.ts";
import { acquire, HELD_MS } from "./claim.ts";
import type { DavClient } from "./dav-client.ts";
import { badAnswer, statusFailure, timeoutFailure } from "./failures.ts";
import type { Folders } from "./folders.ts";
import { filePath, folderPath, type WebdavLocation } from "./location.ts";
import type { Resource } from "./multistatus.ts";
import { claimName, unfinishedName } from "./temporaries.ts";

/** To upload less than this for nothing costs no more than to ask before. */
const ASK_FIRST_LENGTH_MIN = 64 * 1024;
/** Removing what a failed put left must not hold up whoever gave it up. */
const CLEANING_TIMEOUT_MS = 3000;

export type StoreOutcome = "created" | "exists" | "no-parent";

export interface StorePorts {
  readonly client: DavClient;
  readonly location: WebdavLocation;
  readonly folders: Folders;
  readonly clock: Clock;
  readonly randomness: Randomness;
}

/**
 * Claims that are ours and could not be removed when their put failed, with the (monotonic) time they were made: the next
 * attempt goes on with one as long as nobody else can hold it void.
 */
type KeptClaims = Map<string, number>;

export class Store {
  readonly #ports: StorePorts;
  readonly #kept: KeptClaims = new Map();

  constructor(ports: StorePorts) {
    this.#ports = ports;
  }

  /** `no-parent` when a folder vanished that was there before, or the base. */
  async put(name: string, bytes: Uint8Array, signal: AbortSignal): Promise<StoreOutcome> {
    const { client, folders, location } = this.#ports;
    if (bytes.length >= ASK_FIRST_LENGTH_MIN) {
      const existing = await client.lookUp(filePath(location, name), signal);
      if (existing !== null) return exists(name, existing, client.location);
    }
    if ((await folders.ensure(TEMPORARY_FOLDER, signal)) === "no-parent") return "no-parent";
    if ((await folders.ensure(dirname(name), signal)) === "no-parent") return "no-parent";
    const put = new Put(this.#ports, name, this.#kept);
    try {
      return await put.run(bytes, signal);
    } finally {
      await put.clean();
    }
  }
}

/** One put, with what it has to clean up. */
class Put {
  readonly #ports: StorePorts;
  readonly #name: string;
  readonly #kept: KeptClaims;
  readonly #temporary: string;
  readonly #final: string;
  readonly #claim: string;
  #uploaded = false;
  /** When the claim was made, while it is ours. */
  #claimedMs: number | undefined;

  constructor(ports: StorePorts, name: string, kept: KeptClaims) {
    const { location, randomness } = ports;
    this.#ports = ports;
    this.#name = name;
    this.#kept = kept;
    this.#temporary = filePath(location, unfinishedName(randomness(Buffer.alloc(16))));
    this.#final = filePath(location, name);
    this.#claim = folderPath(location, claimName(name));
  }

  async run(bytes: Uint8Array, signal: AbortSignal): Promise<StoreOutcome> {
    const { client } = this.#ports;
    this.#uploaded = true;
    if ((await client.upload(this.#temporary, bytes, signal)) === "no-parent") return "no-parent";
    const claimed = await both(this.#checkArrived(bytes.length, signal), this.#acquire(signal));
    if (claimed === "no-parent") return "no-parent";
    const existing = await client.lookUp(this.#final, signal);
    if (existing !== null) return exists(this.#name, existing, client.location);
    if (claimed === "exists")
      throw badAnswer(`lost ${this.#name} while it was being stored`, client.location);
    throwIfAborted(signal, this.#name);
    return this.#move(signal);
  }

  async #move(signal: AbortSignal): Promise<StoreOutcome> {
    const { client, clock, location } = this.#ports;
    if (clock.monotonic() - (this.#claimedMs ?? 0) > HELD_MS)
      throw timeoutFailure("There was no answer in time from", client.location);
    const moved = await client.move(this.#temporary, this.#final, signal);
    if (moved === "taken") return this.#taken(signal);
    if (moved === "unclear") {
      const parent = await client.lookUp(folderPath(location, parentName(this.#name)), signal);
      if (parent !== null) throw statusFailure(500, "Naming a file", client.location);
      return "no-parent";
    }
    if (moved === "no-parent") return "no-parent";
    this.#uploaded = false;
    return "created";
  }

  /** Leaves no temporary file and no claim where that can be done fast; what is left is void or swept later. */
  async clean(): Promise<void> {
    const signal = AbortSignal.timeout(CLEANING_TIMEOUT_MS);
    await Promise.all([
      this.#uploaded ? this.#remove(this.#temporary, signal) : undefined,
      this.#release(signal),
    ]);
  }

  async #acquire(signal: AbortSignal): Promise<"claimed" | "exists" | "no-parent"> {
    const { client, clock } = this.#ports;
    const startMs = clock.monotonic();
    const keptMs = this.#kept.get(this.#claim);
    this.#kept.delete(this.#claim);
    if (keptMs !== undefined && startMs - keptMs < HELD_MS) {
      this.#claimedMs = keptMs;
      return "claimed";
    }
    const claim = { client, clock, name: this.#name, path: this.#claim, final: this.#final };
    const outcome = await acquire(claim, signal);
    if (outcome === "claimed") this.#claimedMs = startMs;
    return outcome;
  }

  /** The protocol has no digests, so the length is all that can be compared. */
  async #checkArrived(length: number, signal: AbortSignal): Promise<void> {
    const { client } = this.#ports;
    const stored = await client.lookUp(this.#temporary, signal);
    if (stored?.size === length) return;
    const size = stored?.size === undefined ? "no" : String(stored.size);
    throw badAnswer(`stored ${size} bytes of the ${String(length)} of ${this.#name}`, client.location);
  }

  async #taken(signal: AbortSignal): Promise<"exists"> {
    const { client } = this.#ports;
    const existing = await client.lookUp(this.#final, signal);
    if (existing !== null) return exists(this.#name, existing, client.location);
    throw badAnswer(`says that ${this.#name} exists, and that it does not`, client.location);
  }

  async #release(signal: AbortSignal): Promise<void> {
    if (this.#claimedMs === undefined) return;
    if (!(await this.#remove(this.#claim, signal))) this.#kept.set(this.#claim, this.#claimedMs);
  }

  async #remove(path: string, signal: AbortSignal): Promise<boolean> {
    try {
      await this.#ports.client.remove(path, signal);
      return true;
    } catch {
      // How the put itself ended is what counts.
      return false;
    }
  }
}

/** Of a name's folder; "" is the base. */
function parentName(name: string): string {
  const parent = dirname(name);
  return parent === "." ? "" : parent;
}

/** Both to their end, so that nothing of a failed put goes on behind its back. */
async function both<T>(first: Promise<unknown>, second: Promise<T>): Promise<T> {
  await Promise.allSettled([first, second]);
  await first;
  return second;
}

function exists(name: string, { collection }: Resource, location: string): "exists" {
  if (!collection) return "exists";
  throw new AppError("ERR_STORAGE_FAILED", `${name} in ${location} is not a plain file.`, {
    subject: name,
    remedy: "Move away what stands in the place of the object; nothing else may write into this folder.",
  });
}
