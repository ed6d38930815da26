/**
 * The configuration file: names for storages, and defaults. It never holds a key, only where one is.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { AppError, errorCode } from "@holdfast/kernel";

export interface StorageDefaults {
  readonly location: string;
  /** Path of the file with the key of the repository there. */
  readonly keyFile?: string;
  /** Path of the file with the credentials of the storage. */
  readonly credentials?: string;
}

export interface Configuration {
  /** By the name that `@NAME` stands for. */
  readonly storages: ReadonlyMap<string, StorageDefaults>;
  /** Of backups: added to what the command is given. */
  readonly exclude: readonly string[];
  readonly excludeFiles: readonly string[];
  readonly tags: readonly string[];
  /** Instead of the name of the machine. */
  readonly host?: string;
  readonly compression?: number;
  readonly workers?: number;
}

const EMPTY: Configuration = { storages: new Map(), exclude: [], excludeFiles: [], tags: [] };
const FILE_BYTES_MAX = 1024 * 1024;

/** Where the file is: HOLDFAST_CONFIG, else below the folder that XDG_CONFIG_HOME names, else below ~/.config. */
export function configurationPath(environment: NodeJS.ProcessEnv): string {
  const { HOLDFAST_CONFIG: own, XDG_CONFIG_HOME: base } = environment;
  if (own !== undefined && own !== "") return own;
  return join(
    base === undefined || base === "" ? join(homedir(), ".config") : base,
    "holdfast",
    "config.json",
  );
}

/**
 * Reads the configuration; a file that is not there is an empty one, unless HOLDFAST_CONFIG names it.
 *
 * @throws AppError `ERR_USAGE` naming the file and the field that cannot be used.
 */
export function readConfiguration(environment: NodeJS.ProcessEnv): Configuration {
  const path = configurationPath(environment);
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    const isMissing = errorCode(cause) === "ENOENT";
    if (isMissing && path !== environment["HOLDFAST_CONFIG"]) return EMPTY;
    throw unusable(path, cause instanceof Error ? cause.message : String(cause), cause);
  }
  return parseConfiguration(text, path);
}

/** @throws AppError `ERR_USAGE`. */
export function parseConfiguration(text: string, path: string): Configuration {
  if (text.length > FILE_BYTES_MAX) throw unusable(path, "it is too long");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The message of the parser would quote the file.
    throw unusable(path, "it is not JSON");
  }
  const reader = new FieldReader(path, "", value);
  const configuration = {
    storages: readStorages(reader),
    exclude: reader.texts("exclude"),
    excludeFiles: reader.texts("excludeFiles"),
    tags: reader.texts("tags"),
    ...reader.optional("host", reader.text("host")),
    ...reader.optional("compression", reader.number("compression", 0, 19)),
    ...reader.optional("workers", reader.number("workers", 1, 64)),
  };
  reader.end();
  return configuration;
}

function readStorages(reader: FieldReader): Map<string, StorageDefaults> {
  const storages = new Map<string, StorageDefaults>();
  for (const [name, fields] of reader.objects("storages")) {
    const location = fields.text("location");
    if (location === undefined) throw fields.fail("location", "it is missing");
    storages.set(name, {
      location,
      ...fields.optional("keyFile", fields.text("keyFile")),
      ...fields.optional("credentials", fields.text("credentials")),
    });
    fields.end();
  }
  return storages;
}

/** Takes an object apart field by field; what nobody asked for is a typing error of the person who wrote it. */
class FieldReader {
  readonly #path: string;
  readonly #where: string;
  readonly #fields: Map<string, unknown>;

  constructor(path: string, where: string, value: unknown) {
    this.#path = path;
    this.#where = where;
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw unusable(path, `${where === "" ? "it" : `"${where}"`} is no object`);
    }
    this.#fields = new Map(Object.entries(value));
  }

  text(name: string): string | undefined {
    const value = this.#take(name);
    if (value === undefined || (typeof value === "string" && value !== "")) return value;
    throw this.fail(name, "it is no text");
  }

  number(name: string, min: number, max: number): number | undefined {
    const value = this.#take(name);
    if (value === undefined) return undefined;
    if (typeof value === "number" && Number.isInteger(value) && value >= min && value <= max) return value;
    throw this.fail(name, `it is no whole number from ${String(min)} to ${String(max)}`);
  }

  texts(name: string): readonly string[] {
    const value = this.#take(name) ?? [];
    if (!Array.isArray(value)) throw this.fail(name, "it is no list");
    return value.map((one: unknown) => {
      if (typeof one === "string") return one;
      throw this.fail(name, "it holds something that is no text");
    });
  }

  objects(name: string): readonly (readonly [string, FieldReader])[] {
    const value = this.#take(name);
    if (value === undefined) return [];
    const where = this.#nameOf(name);
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw this.fail(name, "it is no object");
    }
    return Object.entries(value).map(([key, one]) => [
      key,
      new FieldReader(this.#path, `${where}.${key}`, one),
    ]);
  }

  optional<N extends string, T>(name: N, value: T | undefined): { [key in N]?: T } {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- an object with this one field.
    return (value === undefined ? {} : { [name]: value }) as { [key in N]?: T };
  }

  end(): void {
    const [unknown] = this.#fields.keys();
    if (unknown !== undefined) throw this.fail(unknown, "there is no such field");
  }

  fail(name: string, reason: string): AppError {
    return unusable(this.#path, `"${this.#nameOf(name)}": ${reason}`);
  }

  #take(name: string): unknown {
    const value = this.#fields.get(name);
    this.#fields.delete(name);
    return value;
  }

  #nameOf(name: string): string {
    return this.#where === "" ? name : `${this.#where}.${name}`;
  }
}

function unusable(path: string, reason: string, cause?: unknown): AppError {
  return new AppError("ERR_USAGE", `The configuration file ${path} cannot be used: ${reason}.`, {
    subject: path,
    remedy: "docs/command.md lists what it may say.",
    cause,
  });
}
