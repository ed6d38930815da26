/**
 * Requests made up from the API's own description: mostly what its schemas allow, with here and there what nobody meant.
 */
import fc from "fast-check";
import type { SeededRandom } from "../../../test/seeded-random.ts";

// oxlint-disable-next-line typescript/no-explicit-any -- a JSON schema, of which a test reads what is there
export type Schema = any;

export interface Operation {
  readonly id: string;
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** With parameters as `{id}`. */
  readonly path: string;
  readonly parameters: readonly { readonly name: string; readonly in: string; readonly schema: Schema }[];
  /** Undefined for none. */
  readonly body: Schema;
}

export function operationsOf(description: Schema): Operation[] {
  return Object.entries<Record<string, Schema>>(description.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      id: String(operation.operationId),
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the server answers 404 to others
      method: method.toUpperCase() as Operation["method"],
      path,
      parameters: operation.parameters,
      body: operation.requestBody?.content["application/json"].schema,
    })),
  );
}

/** Texts that have broken something somewhere. */
export const HOSTILE_TEXTS: readonly string[] = [
  "'; DROP TABLE users; --",
  "' OR '1'='1",
  "%' ESCAPE '",
  "%_\\",
  '<script>alert("x")</script><img src=x onerror=alert(1)>',
  "a\r\nSet-Cookie: x=y\r\n\r\n{}",
  "a\nb",
  "a\0b",
  "\u202Egnp.exe\u202C \u2066x\u2069",
  "\u{1F9A7}\u{20000} \u{10FFFF}",
  "e\u0301\u212B\uFB01",
  "\uD800 alone",
  "\uFEFF\u200B\u00AD",
  "\u001B[31m\u0007\u009B",
  "${jndi:ldap://x/y}{{7*7}}$(id)`id`",
  "../../../../etc/passwd",
  "..\\..\\windows\\win.ini",
  "file:///etc/passwd",
  "http://127.0.0.1:1/",
  "=cmd|'/c calc'!A1",
  "__proto__",
  "constructor",
  "null",
  "-1",
  "1e309",
  "9223372036854775808",
  " ",
  "",
  "x".repeat(5000),
];

const HOSTILE_VALUES: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  1.5,
  2 ** 31,
  2 ** 53,
  -(2 ** 63),
  1e308,
  5e-324,
  [],
  {},
  [[]],
  { a: { b: { c: {} } } },
  { $gt: "" },
  ["x", 1, null],
];

const PLAIN_TEXTS: readonly string[] = [
  "x",
  "abc",
  "a name",
  "name1",
  "/srv/data",
  "/tmp/restored",
  "22:00",
  "2026-01-31",
  "Europe/Berlin",
  "sftp://me@127.0.0.1/x",
  "https://127.0.0.1/x",
  "someone@example.com",
  "password",
  "aGVsbG8=",
  "00".repeat(16),
  "00".repeat(32),
  "12345678",
  "123456",
  "true",
  "0",
  "1",
];

const DEPTH_MAX = 6;
const RECORD_NAMES = ["user", "password", "kind", "timeZone", "rules", "a", "__proto__", "constructor"];

/** Draws requests; the same ones for the same random numbers. */
export class RequestMaker {
  readonly #random: SeededRandom;
  readonly #components: Schema;
  /** Ids of things that are there. */
  readonly known: string[];
  /** Of 100 values, so many are none that the schema allows. */
  readonly #hostilePercent: number;

  constructor(random: SeededRandom, description: Schema, known: string[], hostilePercent: number) {
    this.#random = random;
    this.#components = description.components.schemas;
    this.known = known;
    this.#hostilePercent = hostilePercent;
  }

  make({ path, parameters, body }: Operation): { readonly url: string; readonly body: unknown } {
    let url = path;
    const query = new URLSearchParams();
    for (const parameter of parameters) {
      const isPath = parameter.in === "path";
      if (!isPath && (parameter.in !== "query" || this.#random.below(2) === 0)) continue;
      const value = this.#value(parameter.schema, 0);
      const text = typeof value === "string" ? value : (JSON.stringify(value) ?? "");
      if (isPath) url = url.replace(`{${parameter.name}}`, encoded(text === "" ? "x" : text));
      else query.append(parameter.name, text.toWellFormed());
    }
    const search = query.toString();
    return {
      url: search === "" ? url : `${url}?${search}`,
      body: body === undefined ? undefined : this.#value(body, 0),
    };
  }

  #value(given: Schema, depth: number): unknown {
    const schema = this.#resolved(given);
    if (depth > 0 && this.#random.below(100) < this.#hostilePercent) {
      return this.#random.pick(this.#random.below(2) === 0 ? HOSTILE_TEXTS : HOSTILE_VALUES);
    }
    return this.#composed(schema, depth) ?? this.#simple(schema, depth);
  }

  /** Undefined: the schema is of one type. */
  #composed(schema: Schema, depth: number): unknown {
    if (schema.const !== undefined) return schema.const;
    if (schema.enum !== undefined) return this.#random.pick(schema.enum);
    const choices = schema.anyOf ?? schema.oneOf;
    if (choices !== undefined) return this.#value(this.#random.pick(choices), depth + 1);
    if (schema.allOf === undefined) return undefined;
    return Object.assign({}, ...schema.allOf.map((part: Schema) => this.#value(part, depth + 1)));
  }

  #simple(schema: Schema, depth: number): unknown {
    switch (schema.type) {
      case "object":
        return this.#object(schema, depth);
      case "array":
        return this.#array(schema, depth);
      case "string":
        return this.#text(schema);
      case "integer":
      case "number":
        return this.#number(schema);
      case "boolean":
        return this.#random.below(2) === 0;
      case "null":
        return null;
      default:
        return this.#random.pick<unknown>([...HOSTILE_VALUES, "x"]);
    }
  }

  #resolved(schema: Schema): Schema {
    const target = schema.$ref;
    if (typeof target !== "string") return schema;
    return this.#resolved(this.#components[target.replace("#/components/schemas/", "")] ?? {});
  }

  #object(schema: Schema, depth: number): Record<string, unknown> {
    const made: Record<string, unknown> = {};
    const set = (name: string, value: unknown): void => {
      Object.defineProperty(made, name, { value, enumerable: true, configurable: true, writable: true });
    };
    if (depth < DEPTH_MAX) {
      for (const [name, part] of Object.entries<Schema>(schema.properties ?? {})) {
        const isNeeded = schema.required?.includes(name) === true;
        if (this.#random.below(100) < (isNeeded ? 98 : 50)) set(name, this.#value(part, depth + 1));
      }
      const others = schema.additionalProperties;
      if (typeof others === "object") {
        for (let count = this.#random.below(3); count > 0; count -= 1) {
          set(this.#random.pick(RECORD_NAMES), this.#value(others, depth + 1));
        }
      }
    }
    if (this.#random.below(200) < this.#hostilePercent) set(this.#random.pick(HOSTILE_TEXTS), 1);
    return made;
  }

  #array(schema: Schema, depth: number): unknown[] {
    const least = Number(schema.minItems ?? 0);
    const length = depth > DEPTH_MAX ? least : least + this.#random.below(3);
    return Array.from({ length }, (_, at) =>
      this.#value(schema.prefixItems?.[at] ?? schema.items ?? {}, depth + 1),
    );
  }

  #text({ pattern, minLength = 0, maxLength }: Schema): string {
    const fits = (text: string): boolean =>
      text.length >= minLength &&
      text.length <= (maxLength ?? Infinity) &&
      (pattern === undefined || new RegExp(pattern, "u").test(text));
    const known = this.known.filter((id) => pattern !== undefined && fits(id));
    if (known.length > 0 && this.#random.below(4) > 0) return this.#random.pick(known);
    const fitting = [...PLAIN_TEXTS, ...HOSTILE_TEXTS].filter(fits);
    if (fitting.length > 0) return this.#random.pick(fitting);
    if (pattern === undefined) return "x".repeat(minLength);
    try {
      const [drawn] = fc.sample(fc.stringMatching(new RegExp(pattern, "u")), {
        seed: this.#random.u32() | 0,
        numRuns: 1,
      });
      return drawn ?? "x";
    } catch {
      // A pattern that cannot be drawn from: what does not match it is of use too.
      return "x";
    }
  }

  #number({ minimum, exclusiveMinimum, maximum }: Schema): number {
    const least = Number(minimum ?? (exclusiveMinimum === undefined ? 0 : exclusiveMinimum + 1));
    const most = Number(maximum ?? Number.MAX_SAFE_INTEGER);
    return this.#random.pick([least, most, Math.min(most, least + 1), Math.min(most, least + 10)]);
  }
}

function encoded(text: string): string {
  return encodeURIComponent(text.toWellFormed()).replaceAll(".", "%2E");
}
