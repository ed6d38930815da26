/**
 * The first objects of a repository, made where its keys are and stored where its storage is: the management service makes
 * them, an agent that knows neither key nor root secret stores them.
 *
 * @module
 */
import { secretBuffer, type Suite, sha256 } from "@holdfast/crypto";
import type { Clock, Randomness } from "@holdfast/kernel";
import type { Storage } from "@holdfast/storage";
import { CHUNK_AVERAGE, CHUNK_MAX, CHUNK_MIN } from "./chunking/index.ts";
import { encodeConfig, type RepositoryConfig } from "./format/config.ts";
import { REPOSITORY_ID_BYTES } from "./format/head.ts";
import { CONFIG_NAME, hashedName } from "./format/object-names.ts";
import {
  configKeyOf,
  deriveKeySet,
  type KeySet,
  openRootSecret,
  publicKeyOf,
  ROOT_SECRET_BYTES,
  wipeKeySet,
} from "./keys/key-set.ts";
import { decodeSlot, encodeSlot, encodeSlotBeside, type NewSlot, type SlotTarget } from "./keys/slot.ts";

export interface FirstSlot {
  readonly target: SlotTarget;
  readonly label: string;
}

export interface PreparedObject {
  readonly name: string;
  readonly bytes: Buffer;
}

export interface PreparedRepository {
  readonly config: RepositoryConfig;
  /** The caller keeps or wipes it. */
  readonly rootSecret: Buffer;
  /** To be stored in this order: the config comes last. They hold no plaintext secret. */
  readonly objects: readonly PreparedObject[];
}

interface PreparePorts {
  readonly clock: Pick<Clock, "now">;
  readonly randomness: Randomness;
}

/** @param slots none exactly when the suite is `none`. */
export function prepareRepository(
  ports: PreparePorts,
  suite: Suite,
  slots: readonly FirstSlot[],
): PreparedRepository {
  const begun = beginRepository(ports, suite, slots);
  return endRepository(
    begun,
    begun.slots.map((slot) => encodeSlot(slot)),
  );
}

/** {@link prepareRepository}, stretching passphrases on another thread: for who must not stand still meanwhile. */
export async function prepareRepositoryBeside(
  ports: PreparePorts,
  suite: Suite,
  slots: readonly FirstSlot[],
): Promise<PreparedRepository> {
  const begun = beginRepository(ports, suite, slots);
  try {
    const encoded: Buffer[] = [];
    // One after the other: each takes 64 MiB.
    for (const slot of begun.slots) encoded.push(await encodeSlotBeside(slot));
    return endRepository(begun, encoded);
  } catch (error) {
    wipeKeySet(begun.keys);
    begun.rootSecret.fill(0);
    throw error;
  }
}

interface BegunRepository {
  readonly config: RepositoryConfig;
  readonly rootSecret: Buffer;
  readonly keys: KeySet;
  readonly slots: readonly NewSlot[];
}

function beginRepository(
  { clock, randomness }: PreparePorts,
  suite: Suite,
  slots: readonly FirstSlot[],
): BegunRepository {
  if ((slots.length === 0) !== (suite.method === null)) throw new Error("slots go with encryption");
  const repository = randomness(Buffer.alloc(REPOSITORY_ID_BYTES));
  const rootSecret =
    suite.method === null ? openRootSecret(repository) : randomness(secretBuffer(ROOT_SECRET_BYTES));
  const keys = deriveKeySet(rootSecret, repository, ["maintain"]);
  const createdMs = clock.now();
  const config = {
    repository,
    suite,
    createdMs,
    chunkMin: CHUNK_MIN,
    chunkAverage: CHUNK_AVERAGE,
    chunkMax: CHUNK_MAX,
    publicKey: publicKeyOf(rootSecret, repository),
  };
  const created = { repository, rootSecret, tableKey: keys.tableKey, createdMs, randomness };
  return { config, rootSecret, keys, slots: slots.map((slot) => ({ ...created, ...slot })) };
}

function endRepository(
  { config, rootSecret, keys }: BegunRepository,
  slots: readonly Buffer[],
): PreparedRepository {
  const slotObjects = slots.map((bytes) => ({ name: hashedName("slot", sha256(bytes)), bytes }));
  const configObject = { name: CONFIG_NAME, bytes: encodeConfig(config, configKeyOf(keys)) };
  wipeKeySet(keys);
  return { config, rootSecret, objects: [...slotObjects, configObject] };
}

/** One more way to open a repository, for somebody else to store. `rootSecret` stays the caller's to wipe. */
export function prepareSlot(
  { clock, randomness }: { readonly clock: Pick<Clock, "now">; readonly randomness: Randomness },
  { repository, rootSecret }: { readonly repository: Buffer; readonly rootSecret: Uint8Array },
  slot: FirstSlot,
): PreparedObject {
  const keys = deriveKeySet(rootSecret, repository, ["maintain"]);
  const created = { repository, rootSecret, tableKey: keys.tableKey, createdMs: clock.now() };
  const bytes = encodeSlot({ ...created, ...slot, randomness });
  wipeKeySet(keys);
  return { name: hashedName("slot", sha256(bytes)), bytes };
}

/** SHA-256 of the public key of the recovery kit that a prepared object is a slot of; undefined for every other object. */
export function kitOfSlot(object: PreparedObject, repository: Buffer): Buffer | undefined {
  if (object.name === CONFIG_NAME) return undefined;
  const slot = decodeSlot(object.bytes, object.name, repository);
  return slot.kind === "recovery" ? slot.publicKeyHash : undefined;
}

/** Slots that were added after the repository was prepared: they stand behind its config. */
export function lateSlots(objects: readonly PreparedObject[]): readonly PreparedObject[] {
  const config = objects.findIndex(({ name }) => name === CONFIG_NAME);
  return config === -1 ? [] : objects.slice(config + 1);
}

/**
 * Stores what {@link prepareRepository} made, each object only if it is absent. The config comes after the first slots: a kill
 * before it leaves a folder that is no repository yet, and the next call completes it.
 *
 * @returns `exists` when there is a config already, this one or another: read it to know.
 * @throws AppError of the storage.
 */
export async function storePreparedObjects(
  storage: Storage,
  objects: readonly PreparedObject[],
): Promise<"created" | "exists"> {
  let outcome: "created" | "exists" = "exists";
  for (const { name, bytes } of objects) {
    const put = await storage.put(name, bytes);
    if (name === CONFIG_NAME) outcome = put;
  }
  return outcome;
}
