/**
 * A repository in a storage: creating it, opening it with a key, and the key slots.
 *
 * @module
 */
import { keyPairFromSeed, type Suite } from "@holdfast/crypto";
import { AppError, type Clock, type Randomness } from "@holdfast/kernel";
import type { Storage } from "@holdfast/storage";
import { checkConfigMac, decodeConfig, type RepositoryConfig } from "./format/config.ts";
import { CONFIG_NAME } from "./format/object-names.ts";
import { type Capability, configKeyOf, deriveKeySet, type KeySet, openRootSecret } from "./keys/key-set.ts";
import type { SlotKey } from "./keys/slot.ts";
import { openRootWithSlots } from "./keys/slots.ts";
import { type FirstSlot, prepareRepository, storePreparedObjects } from "./prepare-repository.ts";
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
  readonly slot?: FirstSlot;
}

/**
 * Makes a new repository.
 *
 * @throws AppError `ERR_REPOSITORY_EXISTS`, or an error of the storage.
 */
export async function createRepository(
  ports: RepositoryPorts,
  protection: Protection,
): Promise<RepositoryConfig> {
  const { storage } = ports;
  const { suite, slot } = protection;
  if ((await storage.stat(CONFIG_NAME)) !== null) throw existsAlready(storage);
  const { config, rootSecret, objects } = prepareRepository(ports, suite, slot === undefined ? [] : [slot]);
  rootSecret.fill(0);
  if ((await storePreparedObjects(storage, objects)) === "exists") throw existsAlready(storage);
  return config;
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

/**
 * Opens a repository with keys that somebody else derived, such as the capability of a lease. They stay the caller's to
 * wipe.
 *
 * @throws AppError `ERR_REPOSITORY_MISSING`, `ERR_REPOSITORY_MISMATCH` (another repository than the keys are for),
 * `ERR_DAMAGED` (the config is not of these keys, or names another public key than the one that came with them).
 */
export async function openRepositoryWithKeys(ports: RepositoryPorts, keys: KeySet): Promise<Repository> {
  const { config, bytes } = await readConfig(ports.storage);
  const { location } = ports.storage;
  if (!config.repository.equals(keys.repository)) {
    throw new AppError("ERR_REPOSITORY_MISMATCH", `The repository at ${location} is not the expected one.`, {
      subject: location,
      remedy: "Somebody exchanged it, or the storage's location was changed: put the right one back.",
    });
  }
  checkConfigMac(bytes, configKeyOf(keys));
  // The MAC alone would let in whoever has the maintain capability: sessions are sealed to this key.
  if (keys.publicKey !== undefined && !keys.publicKey.equals(config.publicKey)) {
    throw new AppError(
      "ERR_DAMAGED",
      `The repository at ${location} names a public key that is not its own.`,
      {
        subject: location,
        remedy:
          "Somebody exchanged it: put the object `config` back from a replica, and change the storage's password.",
      },
    );
  }
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
