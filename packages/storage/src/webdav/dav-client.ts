/**
 * The methods of HTTP and WebDAV that the driver uses, each one request (two where the server first asks who we are).
 * What the driver must tell apart is a result, everything else an error.
 *
 * @module
 */
import { throwIfAborted } from "../cancel.ts";
import type { Authorization } from "./authorization.ts";
import { type Channel, exchange, type HttpAnswer, type HttpRequest, readBody } from "./exchange.ts";
import { badAnswer, statusFailure } from "./failures.ts";
import { authority, decodePath, encodePath } from "./location.ts";
import { parseMultistatus, type Resource } from "./multistatus.ts";

const RESOURCE_LENGTH_MAX = 256 * 1024;
/** About 50,000 objects in one folder, with the 650 bytes that Apache spends on each. */
const MEMBERS_LENGTH_MAX = 32 * 1024 * 1024;

const PROPERTIES = Buffer.from(
  '<?xml version="1.0" encoding="utf-8"?><D:propfind xmlns:D="DAV:"><D:prop>' +
    "<D:resourcetype/><D:getcontentlength/><D:getlastmodified/></D:prop></D:propfind>",
);
const QUOTA = Buffer.from(
  '<?xml version="1.0" encoding="utf-8"?><D:propfind xmlns:D="DAV:"><D:prop>' +
    "<D:resourcetype/><D:quota-available-bytes/></D:prop></D:propfind>",
);

export interface Found {
  /** The folder asked for, then its members. */
  readonly resources: readonly Resource[];
  /** The server's clock, milliseconds since the epoch. */
  readonly serverMs: number | undefined;
}

export class DavClient {
  /** The storage's URL, for messages. */
  readonly location: string;
  readonly #channel: Channel;
  readonly #authorization: Authorization;

  constructor(channel: Channel, authorization: Authorization) {
    this.location = channel.location.text;
    this.#channel = channel;
    this.#authorization = authorization;
  }

  async request<T>(
    message: HttpRequest,
    signal: AbortSignal,
    consume: (answer: HttpAnswer) => Promise<T> | T,
  ): Promise<T> {
    for (let refusals = 0; ; ) {
      throwIfAborted(signal, this.location);
      const pass = await orAborted(this.#authorization.pass(message.method, message.path), signal);
      throwIfAborted(signal, this.location);
      if (pass === undefined) continue;
      const { authorization } = pass;
      const headers = { ...message.headers, ...(authorization === undefined ? {} : { authorization }) };
      const outcome = await exchange(this.#channel, { ...message, headers }, signal, async (answer) =>
        answer.status === 401
          ? { refused: true as const, header: answer.headers["www-authenticate"] }
          : { refused: false as const, value: await consume(answer) },
      );
      if (!outcome.refused) return outcome.value;
      refusals += 1;
      await this.#authorization.challenged(pass, outcome.header, refusals);
    }
  }

  /** Null when nothing is there. */
  async lookUp(path: string, signal: AbortSignal): Promise<Resource | null> {
    return (await this.find(path, "0", signal))?.resources[0] ?? null;
  }

  /** Also asks for the free space. */
  async lookUpQuota(path: string, signal: AbortSignal): Promise<Resource | null> {
    return (await this.find(path, "0", signal, QUOTA))?.resources[0] ?? null;
  }

  /** The resource at `path`, with the members of a folder when `depth` is 1. Null when nothing is there. */
  async find(
    path: string,
    depth: "0" | "1",
    signal: AbortSignal,
    body: Uint8Array = PROPERTIES,
  ): Promise<Found | null> {
    const message: HttpRequest = {
      method: "PROPFIND",
      path,
      headers: { depth, "content-type": "application/xml; charset=utf-8" },
      body,
      repeatable: true,
    };
    const found = await this.request(message, signal, async (answer) => {
      if (answer.status === 404) return null;
      if (answer.status === 400) return "odd";
      const serverMs = readServerTime(answer);
      if (isFolderRedirect(answer, path)) return { resources: [folderAt(path)], serverMs };
      if (answer.status !== 207) throw statusFailure(answer.status, "Looking for files", this.location);
      const lengthMax = depth === "0" ? RESOURCE_LENGTH_MAX : MEMBERS_LENGTH_MAX;
      const resources = this.#parse(await readBody(answer, lengthMax, this.location));
      const sorted = this.#sort(resources, decodePath(path) ?? [], depth);
      return sorted === null ? null : { resources: sorted, serverMs };
    });
    if (found !== "odd") return found;
    if (await this.#isBelowFile(path, signal)) return null;
    throw statusFailure(400, "Looking for files", this.location);
  }

  /** Apache calls a request bad when a file stands where the path needs a folder. */
  async #isBelowFile(path: string, signal: AbortSignal): Promise<boolean> {
    const components = decodePath(path) ?? [];
    if (components.length <= this.#channel.location.base.length + 1) return false;
    const parent = await this.lookUp(encodePath(components.slice(0, -1)), signal);
    return parent?.collection !== true;
  }

  /** MKCOL (RFC 4918 section 9.3). `unclear` is what a server says that lost a race with itself, or that refuses. */
  async makeFolder(path: string, signal: AbortSignal): Promise<"made" | "exists" | "no-parent" | "unclear"> {
    const message: HttpRequest = { method: "MKCOL", path, repeatable: false };
    return this.request(message, signal, ({ status }) => {
      if (status === 201 || status === 200) return "made";
      if (status === 405) return "exists";
      if (status === 409 || status === 404) return "no-parent";
      if (status === 403) return "unclear";
      throw statusFailure(status, "Making a folder", this.location);
    });
  }

  async upload(path: string, body: Uint8Array, signal: AbortSignal): Promise<"stored" | "no-parent"> {
    const headers = { "content-type": "application/octet-stream" };
    const message: HttpRequest = { method: "PUT", path, headers, body, repeatable: true };
    return this.request(message, signal, ({ status }) => {
      if (status === 200 || status === 201 || status === 204) return "stored";
      if (status === 409 || status === 404) return "no-parent";
      throw statusFailure(status, "Storing a file", this.location);
    });
  }

  /**
   * MOVE that replaces nothing (RFC 4918 section 9.9 and 10.6). `unclear` is what Apache says when the new folder is missing,
   * among other things.
   */
  async move(
    from: string,
    to: string,
    signal: AbortSignal,
  ): Promise<"moved" | "taken" | "no-parent" | "unclear"> {
    const headers = { destination: this.#absolute(to), overwrite: "F" };
    const message: HttpRequest = { method: "MOVE", path: from, headers, repeatable: false };
    return this.request(message, signal, ({ status }) => {
      if (status === 200 || status === 201 || status === 204) return "moved";
      if (status === 412) return "taken";
      if (status === 409 || status === 404) return "no-parent";
      if (status === 500) return "unclear";
      throw statusFailure(status, "Naming a file", this.location);
    });
  }

  /** A folder goes with all it holds. What is missing is no error. */
  async remove(path: string, signal: AbortSignal): Promise<void> {
    await this.request({ method: "DELETE", path, repeatable: true }, signal, ({ status }) => {
      if (status === 200 || status === 204 || status === 404) return;
      // 207 tells of members that could not be deleted.
      throw statusFailure(status, "Deleting", this.location);
    });
  }

  /** Destinations must be whole URLs for many servers (RFC 4918 section 10.3 asks for no more than a path). */
  #absolute(path: string): string {
    const { location } = this.#channel;
    return `${location.tls ? "https" : "http"}://${authority(location)}${path}`;
  }

  #parse(body: Buffer): readonly Resource[] {
    try {
      return parseMultistatus(body);
    } catch (error) {
      throw badAnswer("answers with something else than a WebDAV list", this.location, error);
    }
  }

  /**
   * The resource at `path` first, then its members; null when it is missing. Anything else in the answer would be left out
   * of a list unseen, so it is an error: a proxy that renames folders, say.
   */
  #sort(resources: readonly Resource[], path: readonly string[], depth: "0" | "1"): Resource[] | null {
    const isBelow = (resource: Resource): boolean =>
      path.every((component, index) => resource.path[index] === component);
    const self = resources.filter((resource) => resource.path.length === path.length && isBelow(resource));
    const members = resources.filter(
      (resource) => resource.path.length === path.length + 1 && isBelow(resource),
    );
    const [own] = self;
    if (own === undefined || self.length + members.length !== resources.length)
      throw badAnswer("lists other folders than it was asked for", this.location);
    if (own.status === 404) return null;
    if (own.status >= 300) throw statusFailure(own.status, "Looking for files", this.location);
    return [own, ...(depth === "0" ? [] : members)];
  }
}

/** Undefined when the signal is aborted first: a person may be asked for the credentials. */
async function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  const { promise: aborted, resolve } = Promise.withResolvers<undefined>();
  const abort = (): void => {
    resolve(undefined);
  };
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

/** Some servers send a request for a folder without a slash at its end to the one with it. */
export function isFolderRedirect({ status, headers }: HttpAnswer, path: string): boolean {
  if (status !== 301 && status !== 302 && status !== 307 && status !== 308) return false;
  const target = URL.parse(headers.location ?? "", `http://server${path}`)?.pathname;
  return !path.endsWith("/") && target === `${path}/`;
}

function folderAt(path: string): Resource {
  return {
    path: decodePath(path) ?? [],
    status: 200,
    collection: true,
    size: undefined,
    modifiedMs: undefined,
    available: undefined,
  };
}

function readServerTime({ headers }: HttpAnswer): number | undefined {
  const time = Date.parse(headers.date ?? "");
  return Number.isSafeInteger(time) ? time : undefined;
}
