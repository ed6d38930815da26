/**
 * Answers to PROPFIND (RFC 4918 section 9.1): a `multistatus` of `response`s (section 14.16 and 14.24), read with distrust.
 *
 * Names are compared without their namespace: only properties of `DAV:` are asked for. A document type is refused, which
 * rules out entities of the server's making; the five that XML has itself are replaced here, where they may occur.
 *
 * @module
 */
import { XMLParser } from "fast-xml-parser";
import { decodePath } from "./location.ts";

const parser = new XMLParser({
  removeNSPrefix: true,
  ignoreAttributes: true,
  parseTagValue: false,
  processEntities: false,
  trimValues: true,
  maxNestedTags: 32,
  isArray: (name) => name === "response" || name === "propstat",
});

const ENTITIES: ReadonlyMap<string, string> = new Map([
  ["&amp;", "&"],
  ["&lt;", "<"],
  ["&gt;", ">"],
  ["&quot;", '"'],
  ["&apos;", "'"],
]);

export interface Resource {
  /** Components of its path, decoded. */
  readonly path: readonly string[];
  /** HTTP status of this resource alone; 200 unless told. */
  readonly status: number;
  readonly collection: boolean;
  /** Bytes; undefined when the server does not tell. */
  readonly size: number | undefined;
  /** Milliseconds since the epoch; undefined when the server does not tell. */
  readonly modifiedMs: number | undefined;
  /** Free bytes (RFC 4331); undefined when the server does not tell. */
  readonly available: number | undefined;
}

/** @throws {Error} when the text is no multistatus; the message is for a cause. */
export function parseMultistatus(bytes: Uint8Array): readonly Resource[] {
  const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  if (/<!DOCTYPE/i.test(text)) throw new Error("it has a document type");
  // Checked to be well-formed first: the parser alone would take half a document for a whole one.
  const root = child(parser.parse(text, true), "multistatus");
  // An empty element is an empty text.
  if (root !== "" && !isRecord(root)) throw new Error("it is no multistatus");
  return list(root, "response").map(readResponse);
}

function readResponse(response: unknown): Resource {
  const href = child(response, "href");
  if (typeof href !== "string") throw new Error("a response has no href");
  const properties = list(response, "propstat")
    .filter((propstat) => readStatus(child(propstat, "status")) === 200)
    .map((propstat) => child(propstat, "prop"));
  const first = (name: string): unknown =>
    properties.map((property) => child(property, name)).find((value) => value !== undefined);
  return {
    path: readPath(href),
    status: readStatus(child(response, "status")) ?? 200,
    collection: child(first("resourcetype"), "collection") !== undefined,
    size: readCount(first("getcontentlength")),
    modifiedMs: readDate(first("getlastmodified")),
    available: readCount(first("quota-available-bytes")),
  };
}

/** A path or a whole URL (section 8.3). */
function readPath(href: string): readonly string[] {
  const plain = href.replaceAll(/&(?:amp|lt|gt|quot|apos);/g, (entity) => ENTITIES.get(entity) ?? entity);
  const url = URL.parse(plain, "http://server");
  const path = url === null ? undefined : decodePath(url.pathname);
  if (path === undefined) throw new Error("an href is not well formed");
  return path;
}

function readStatus(line: unknown): number | undefined {
  const digits = typeof line === "string" ? /^HTTP\/\S+ ([1-5]\d\d)\b/.exec(line)?.[1] : undefined;
  return digits === undefined ? undefined : Number(digits);
}

function readCount(text: unknown): number | undefined {
  if (typeof text !== "string" || !/^\d{1,20}$/.test(text)) return undefined;
  const count = Number(text);
  return Number.isSafeInteger(count) ? count : undefined;
}

function readDate(text: unknown): number | undefined {
  if (typeof text !== "string" || text.length > 64) return undefined;
  const time = Date.parse(text);
  return Number.isSafeInteger(time) && time >= 0 ? time : undefined;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function child(node: unknown, name: string): unknown {
  return isRecord(node) && Object.hasOwn(node, name) ? node[name] : undefined;
}

function list(node: unknown, name: string): readonly unknown[] {
  const value = child(node, name);
  return Array.isArray(value) ? (value as readonly unknown[]) : [];
}
