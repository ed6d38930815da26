/**
 * A repository in a storage: creating it, opening it with a key, and the key slots.
 *
 * @module
 */
import { keyPairFromSeed, secretBuffer, type Suite, sha256 } from "@holdfast/crypto";
import { AppError, type Clock, type Randomness } from "@holdfast/kernel";
import type { Storage } from "@holdfast/storage";
import { CHUNK_AVERAGE, CHUNK_MAX, CHUNK_MIN } from "./chunking/index.ts";
import { checkConfigMac, decodeConfig, encodeConfig, type RepositoryConfig } from "./format/config.ts";
import { REPOSITORY_ID_BYTES } from "./format/head.ts";
import { CONFIG_NAME, hashedName } from "./format/object-names.ts";
import {
  type Capability,
  configKeyOf,
  deriveKeySet,
  type KeySet,
  openRootSecret,
  publicKeyOf,
  ROOT_SECRET_BYTES,
  wipeKeySet,
} from "./keys/key-set.ts";
import { encodeSlot, type SlotKey, type SlotTarget } from "./keys/slot.ts";
import { openRootWithSlots } from "./keys/slots.ts";
import type { SessionPorts } from "./sessions/session.ts";
import { getIfThere } from "./storage-reading.ts";

/** The outside world of a repository. */
export interface RepositoryPorts extends SessionPorts {
  readonly storage: Storage;
  readonly clock: Clock;
  readonly randomness: Randomness;
  /** Folder for mirrored index objects and the change cache; without it everything is kept in memory. */
  readonly cacheDir?: string;
}

export interface Repository {
  readonly ports: RepositoryPorts;
  readonly config: RepositoryConfig;
  readonly keys: KeySet;
}

/** How a new repository is protected. */
export interface Protection {
  readonly suite: Suite;
  /** The first slot; absent exactly when the suite is `none`. */
  readonly slot?: { readonly target: SlotTarget; readonly label: string };
}

/**
 * Makes a new repository.
 *
 * The slot is stored before the config: a kill in between leaves a folder that is no repository yet, and `init` can be
 * run again.
 *
 * @throws AppError `ERR_REPOSITORY_EXISTS`, or an error of the storage.
 */
export async function createRepository(
  ports: RepositoryPorts,
  protection: Protection,
): Promise<RepositoryConfig> {
  const { storage, clock, randomness } = ports;
  const { suite, slot } = protection;
  if ((slot === undefined) !== (suite.method === null)) throw new Error("a slot goes with encryption");
  if ((await storage.stat(CONFIG_NAME)) !== null) throw existsAlready(storage);
  const repository = randomness(Buffer.alloc(REPOSITORY_ID_BYTES));
  const rootSecret =
    slot === undefined ? openRootSecret(repository) : randomness(secretBuffer(ROOT_SECRET_BYTES));
  const keys = deriveKeySet(rootSecret, repository, ["maintain"]);
  const config = {
    repository,
    suite,
    createdMs: clock.now(),
    chunkMin: CHUNK_MIN,
    chunkAverage: CHUNK_AVERAGE,
    chunkMax: CHUNK_MAX,
    publicKey: publicKeyOf(rootSecret, repository),
  };
  try {
    if (slot !== undefined) {
      const created = { repository, rootSecret, tableKey: keys.tableKey, createdMs: config.createdMs };
      const bytes = encodeSlot({ ...created, ...slot, randomness });
      await storage.put(hashedName("slot", sha256(bytes)), bytes);
    }
    const bytes = encodeConfig(config, configKeyOf(keys));
    if ((await storage.put(CONFIG_NAME, bytes)) === "exists") throw existsAlready(storage);
    return config;
  } finally {
    rootSecret.fill(0);
    wipeKeySet(keys);
  }
}

/**
 * Opens a repository with exactly the capabilities asked for: no other key stays in memory.
 *
 * @param key absent for a repository that is not encrypted.
 * @throws AppError `ERR_REPOSITORY_MISSING`, `ERR_KEY_MISSING`, `ERR_KEY_WRONG`, `ERR_NOT_ENCRYPTED` (a key was given,
 * but the repository has none: it may have been exchanged), `ERR_DAMAGED`.
 */
export async function openRepository(
  ports: RepositoryPorts,
  key: SlotKey | undefined,
  capabilities: readonly Capability[],
): Promise<Repository> {
  const { config, bytes } = await readConfig(ports.storage);
  const rootSecret = await rootSecretOf(ports.storage, config, key);
  const keys = deriveKeySet(rootSecret, config.repository, capabilities);
  rootSecret.fill(0);
  checkConfigMac(bytes, configKeyOf(keys));
  return { ports, config, keys };
}

/** Reads and checks the config as far as that is possible without a key. */
export async function readConfig(
  storage: Storage,
): Promise<{ readonly config: RepositoryConfig; readonly bytes: Buffer }> {
  const bytes = await getIfThere(storage, CONFIG_NAME);
  if (bytes === undefined) {
    throw new AppError("ERR_REPOSITORY_MISSING", `There is no repository at ${storage.location}.`, {
      subject: storage.location,
      remedy: "Check the location, or make a repository there with `holdfast init`.",
    });
  }
  return { config: decodeConfig(bytes), bytes };
}

/** The root secret; the caller wipes it. */
export async function rootSecretOf(
  storage: Storage,
  config: RepositoryConfig,
  key: SlotKey | undefined,
): Promise<Buffer> {
  if (config.suite.method === null) {
    if (key === undefined) return openRootSecret(config.repository);
    throw new AppError(
      "ERR_NOT_ENCRYPTED",
      `The repository at ${storage.location} is not encrypted, but a key was given.`,
      {
        subject: storage.location,
        remedy:
          "If that is as intended, run the command without a key; if not, somebody may have exchanged the repository.",
      },
    );
  }
  if (key === undefined) {
    throw new AppError(
      "ERR_KEY_MISSING",
      `The repository at ${storage.location} is encrypted; its key is needed.`,
      {
        subject: storage.location,
        remedy:
          "Give it with --key-file FILE, HOLDFAST_KEY_FILE or HOLDFAST_KEY, or at the prompt of a terminal.",
      },
    );
  }
  return openRootWithSlots(storage, config.repository, key);
}

/** The public half of a recovery kit's seed. */
export function recoveryPublicKey(seed: Uint8Array): Buffer {
  return keyPairFromSeed(seed).publicKey;
}

function existsAlready(storage: Storage): AppError {
  return new AppError("ERR_REPOSITORY_EXISTS", `There is a repository at ${storage.location} already.`, {
    subject: storage.location,
    remedy: "Use it, or choose an empty place.",
  });
}
