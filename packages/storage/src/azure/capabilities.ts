/**
 * What a container can do, as far as these credentials may ask. A SAS for a container may not ask about the container.
 *
 * @module
 */
import { AppError, isAppError } from "@holdfast/kernel";
import { PLAIN_STORAGE, type StorageCapabilities } from "../contract.ts";
import { answerBehind } from "./service-answer.ts";
import type { AzureSession } from "./session.ts";

interface ContainerFacts {
  /** Every blob is kept for a time, or until a legal hold is lifted. */
  readonly immutable: boolean;
  /** Blobs can have times of their own; needs and so implies versions. */
  readonly versionImmutability: boolean;
}

/**
 * @param locked each object is put with a lock of its own.
 * @throws {AppError} `ERR_STORAGE_MISSING` when there is no such container, `ERR_UNSUPPORTED` when objects are to be locked
 * in a container that cannot or when the account has a hierarchical namespace, and what keeps the storage from answering at
 * all.
 */
export async function learnCapabilities(
  session: AzureSession,
  locked: boolean,
  signal: AbortSignal,
): Promise<StorageCapabilities> {
  const [facts, hierarchical] = await Promise.all([
    unlessRefused(() => askContainer(session, signal)),
    unlessRefused(() => askHierarchy(session, signal)),
  ]);
  // A list is what every user of a storage may do: it tells whether there is a container, and whether the SAS is good.
  if (facts === undefined) await askList(session, signal);
  if (hierarchical === true) throw unsuitable(session, "belongs to an account with a hierarchical namespace");
  if (locked && facts?.versionImmutability === false)
    throw unsuitable(session, "has no immutability of versions");
  const { immutable, versionImmutability } = facts ?? { immutable: false, versionImmutability: false };
  return {
    ...PLAIN_STORAGE,
    conditionalPut: true,
    versioning: versionImmutability,
    objectLock: immutable || (locked && versionImmutability),
  };
}

function askContainer(session: AzureSession, signal: AbortSignal): Promise<ContainerFacts> {
  return session.run("Asking about the container", signal, async (container, options) => {
    const answer = await container.getProperties(options);
    return {
      immutable: answer.hasImmutabilityPolicy === true || answer.hasLegalHold === true,
      versionImmutability: answer.isImmutableStorageWithVersioningEnabled === true,
    };
  });
}

/** There, folders are objects too. */
function askHierarchy(session: AzureSession, signal: AbortSignal): Promise<boolean> {
  return session.run("Asking about the account", signal, async (container, options) => {
    return (await container.getAccountInfo(options)).isHierarchicalNamespaceEnabled === true;
  });
}

async function askList(session: AzureSession, signal: AbortSignal): Promise<void> {
  await session.run("Listing the objects", signal, (container, options) =>
    container
      .listBlobsFlat({ ...options, prefix: session.prefix })
      .byPage({ maxPageSize: 1 })
      .next(),
  );
}

async function unlessRefused<T>(question: () => Promise<T>): Promise<T | undefined> {
  try {
    return await question();
  } catch (error) {
    const status = answerBehind(error)?.status ?? 0;
    const unknown = isAppError(error, "ERR_STORAGE_FAILED") && status >= 400 && status < 500;
    if (unknown || isAppError(error, "ERR_STORAGE_DENIED") || isAppError(error, "ERR_UNSUPPORTED"))
      return undefined;
    throw error;
  }
}

function unsuitable(session: AzureSession, what: string): AppError {
  return new AppError("ERR_UNSUPPORTED", `${session.location} ${what}.`, {
    subject: session.location,
    remedy: "docs/storages.md says how to make an account and a container for Holdfast.",
  });
}
