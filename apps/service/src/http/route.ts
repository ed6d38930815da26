/**
 * How a domain says what it offers over HTTP. Checks, rights, answers, errors, documentation follow from it; nothing is
 * reachable that has no definition.
 *
 * @module
 */
import type { Readable } from "node:stream";
import type { z } from "zod";
import type { Right, Role } from "../users/rights.ts";

/** A stream with headers of its own. */
export interface StreamAnswer {
  readonly stream: Readable;
  readonly status: 200 | 206;
  readonly headers: Readonly<Record<string, string>>;
}

/** Who asks. */
export interface Actor {
  readonly userId: string;
  readonly name: string;
  readonly role: Role;
  readonly rights: ReadonlySet<Right>;
  /** Undefined for an API token. */
  readonly sessionId: string | undefined;
  readonly address: string;
}

/** A checked request. */
export interface Call<P, Q, B> {
  /** The actor; on a `public` route undefined. */
  readonly actor: Actor | undefined;
  readonly params: P;
  readonly query: Q;
  readonly body: B;
  /** From `If-Match: "N"`: the revision that the caller has seen. */
  readonly ifMatch: number | undefined;
  readonly address: string;
  /** `HOST` or `HOST:PORT` that the request was sent to. */
  readonly host: string;
  readonly userAgent: string;
  /** Of the request, by its name in small letters; a list as one text. */
  readonly header: (name: string) => string | undefined;
  /** Aborted when the caller is gone before the answer was sent. */
  readonly gone: AbortSignal;
  /** Sets or, without a value, removes the session's cookie. */
  readonly setSession: (token: string | undefined) => void;
  /** Of the cookie that a browser has while it is at a provider of single sign-on. */
  readonly browserToken: string | undefined;
  readonly setBrowserToken: (token: string | undefined) => void;
}

export interface RouteDefinition<P = unknown, Q = unknown, B = unknown, A = unknown> {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Below `/api/v1`, parameters as `:id`. */
  readonly path: string;
  /** Unique; the name in OpenAPI. */
  readonly operation: string;
  readonly summary: string;
  /** The domain. */
  readonly tag: string;
  readonly right: Right | "public" | "signed-in";
  readonly params?: z.ZodType<P>;
  readonly query?: z.ZodType<Q>;
  readonly body?: z.ZodType<B>;
  /** Absent: 204. An answer with a number `revision` gets an ETag. */
  readonly answer?: z.ZodType<A>;
  /** Media type of a stream, which `handle` answers as a `Readable` or a {@link StreamAnswer}; it ends when the caller may no longer have it. */
  readonly stream?: string;
  /** Default: 200, or 204 without an answer. */
  readonly status?: 200 | 201 | 202 | 204;
  /** True: `If-Match` is needed (`Call.ifMatch` is never undefined). */
  readonly edits?: boolean;
  /**
   * True: `Idempotency-Key` is taken, and a repetition gets the first answer. It is kept sealed with the caller's own token, so
   * that also answers with secrets may be repeated. Not for `public` routes.
   */
  readonly creates?: boolean;
  /** @throws AppError: becomes a problem document of RFC 9457 with the status of its code. */
  handle(this: void, call: Call<P, Q, B>): Promise<A>;
}

/** A definition without its types, as the server keeps it; it calls `handle` with what the schemas gave. */
export type AnyRoute = RouteDefinition;

/** Gives `handle` the types of the schemas. */
export function route<P, Q, B, A>(definition: RouteDefinition<P, Q, B, A>): AnyRoute {
  return definition;
}
