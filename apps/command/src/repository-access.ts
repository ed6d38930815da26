/**
 * From the STORAGE operand to an open storage and repository, with the key from wherever it comes.
 *
 * @module
 */
import { homedir } from "node:os";
import { join } from "node:path";
import { AppError, systemClock, systemRandomness } from "@holdfast/kernel";
import {
  type Capability,
  openRepository,
  readConfig,
  type Repository,
  type RepositoryConfig,
  type RepositoryPorts,
  type SlotKey,
  wipeKeySet,
} from "@holdfast/repository";
import { endedProcesses, ownProcess } from "@holdfast/sources";
import type { Storage } from "@holdfast/storage";
import { type CommandCall, operand } from "./command-call.ts";
import type { StorageDefaults } from "./configuration.ts";
import { givenKey, promptKey, wipeKey } from "./key-input.ts";
import { openNamedStorage } from "./storage-credentials.ts";

/** What the operand names: a location, or `@NAME` of the configuration. @throws AppError `ERR_USAGE`. */
export function locate(call: CommandCall, named: string): StorageDefaults {
  if (!named.startsWith("@")) return { location: named };
  const known = call.configuration.storages.get(named.slice(1));
  if (known !== undefined) return known;
  throw new AppError("ERR_USAGE", `The configuration has no storage called ${named}.`, {
    subject: named,
    remedy: `Add it to the configuration file, or write ./${named} for a folder of that name.`,
  });
}

/** A storage with the ports of a repository in it. */
export interface StorageAccess extends AsyncDisposable {
  readonly defaults: StorageDefaults;
  readonly storage: Storage;
  /** @param config undefined as long as there is no repository. */
  readonly ports: (config: RepositoryConfig | undefined) => RepositoryPorts;
}

export async function accessStorage(
  call: CommandCall,
  named: string,
  options: { readonly create?: boolean } = {},
): Promise<StorageAccess> {
  const defaults = locate(call, named);
  const storage = await openNamedStorage(call, defaults, options);
  const own = ownProcess();
  const ports = {
    storage,
    clock: systemClock,
    randomness: systemRandomness,
    process: own,
    hasEnded: endedProcesses(own),
  };
  return {
    defaults,
    storage,
    ports: (config) => (config === undefined ? ports : { ...ports, cacheDir: cacheFolder(config) }),
    [Symbol.asyncDispose]: () => storage[Symbol.asyncDispose](),
  };
}

export interface RepositoryAccess extends AsyncDisposable {
  readonly storage: Storage;
  readonly repository: Repository;
}

/**
 * Opens the repository that the first operand names, with these capabilities and no others. Its keys are wiped when it
 * is disposed of.
 *
 * @throws AppError as `openRepository` does.
 */
export async function accessRepository(
  call: CommandCall,
  capabilities: readonly Capability[],
): Promise<RepositoryAccess> {
  const access = await accessStorage(call, operand(call, 0));
  let key: SlotKey | undefined;
  try {
    const { config } = await readConfig(access.storage);
    key = await keyFor(call, access, config);
    const repository = await openRepository(access.ports(config), key, capabilities);
    return {
      storage: access.storage,
      repository,
      [Symbol.asyncDispose]: async () => {
        wipeKeySet(repository.keys);
        await access[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await access[Symbol.asyncDispose]();
    throw error;
  } finally {
    wipeKey(key);
  }
}

/** The key of the repository; undefined when it needs none, or nobody could be asked for it. The caller wipes it. */
export async function keyFor(
  call: CommandCall,
  access: StorageAccess,
  config: RepositoryConfig,
): Promise<SlotKey | undefined> {
  const given = givenKey(call, access.defaults.keyFile);
  if (given !== undefined || config.suite.method === null) return given;
  return promptKey(call, access.storage.location);
}

/** HOLDFAST_CACHE, else below XDG_CACHE_HOME, else below ~/.cache; a folder for each repository. */
function cacheFolder(config: RepositoryConfig): string {
  const { HOLDFAST_CACHE: own, XDG_CACHE_HOME: base } = process.env;
  const root =
    own !== undefined && own !== ""
      ? own
      : join(base === undefined || base === "" ? join(homedir(), ".cache") : base, "holdfast");
  return join(root, config.repository.toString("hex"));
}
