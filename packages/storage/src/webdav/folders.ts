/**
 * Folders below the base: made when first needed, and remembered.
 *
 * @module
 */
import { dirname } from "node:path/posix";
import { AppError } from "@holdfast/kernel";
import type { DavClient } from "./dav-client.ts";
import { encodePath, folderPath, type WebdavLocation } from "./location.ts";

export class Folders {
  readonly #client: DavClient;
  readonly #location: WebdavLocation;
  readonly #known = new Set<string>();

  constructor(client: DavClient, location: WebdavLocation) {
    this.#client = client;
    this.#location = location;
  }

  /** Makes the folder and what is missing above it. The base is never made; then this is `no-parent`. */
  async ensure(relative: string, signal: AbortSignal): Promise<"ready" | "no-parent"> {
    if (relative === "." || this.#known.has(relative)) return "ready";
    const path = folderPath(this.#location, relative);
    const outcome = await makeFolder(this.#client, path, signal);
    if (outcome === "no-parent") {
      // Servers may make parents of their own accord, so only now.
      const parent = dirname(relative);
      if (parent === "." || (await this.ensure(parent, signal)) === "no-parent") return "no-parent";
      if ((await makeFolder(this.#client, path, signal)) === "no-parent") return "no-parent";
    }
    this.#known.add(relative);
    return "ready";
  }

  /** Forgets what is known, after somebody else removed a folder. */
  forget(): void {
    this.#known.clear();
  }
}

/** Makes the base folder and what is missing above it. */
export async function makeBase(
  client: DavClient,
  components: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const path = `${encodePath(components)}/`;
  if ((await makeFolder(client, path, signal)) !== "no-parent") return;
  if (components.length < 2) throw noRoom(client.location);
  await makeBase(client, components.slice(0, -1), signal);
  if ((await makeFolder(client, path, signal)) === "no-parent") throw noRoom(client.location);
}

async function makeFolder(
  client: DavClient,
  path: string,
  signal: AbortSignal,
): Promise<"ready" | "no-parent"> {
  const outcome = await client.makeFolder(path, signal);
  if (outcome === "no-parent") return "no-parent";
  if (outcome === "unclear" && (await client.lookUp(path, signal)) === null) {
    throw new AppError("ERR_STORAGE_DENIED", `Making a folder in ${client.location} is refused (HTTP 403).`, {
      subject: client.location,
      remedy: "Give this user the right to write the folder.",
    });
  }
  return "ready";
}

function noRoom(location: string): AppError {
  return new AppError(
    "ERR_STORAGE_MISSING",
    `There is no WebDAV folder in which ${location} could be made.`,
    {
      subject: location,
      remedy: "Check the path in the URL.",
    },
  );
}
