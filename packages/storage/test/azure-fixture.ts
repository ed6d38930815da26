/** What the tests of the Azure driver share. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { inspect } from "node:util";
import { type ErrorCode, isAppError } from "@holdfast/kernel";
import type { CredentialSource, StorageCredentials } from "../src/credentials.ts";
import type { AzureServer } from "./servers/azure-server.ts";

export const MEBIBYTE = 1024 * 1024;
export const never = new AbortController().signal;

/** A new folder of the container each time; through another port of this machine when given. */
export function freshUrl(server: AzureServer, container: string, port?: number): URL {
  return new URL(`azure://${container}/${randomUUID()}?endpoint=${server.endpoint(port)}`);
}

export function always(credentials: StorageCredentials): CredentialSource {
  return () => Promise.resolve(credentials);
}

export function keyOf({ account, accountKey }: AzureServer): StorageCredentials {
  return { account, accountKey };
}

/** Also looks for what no error may repeat: keys, and the signature of a SAS. */
export function hasCode(code: ErrorCode, ...secrets: readonly string[]): (error: unknown) => boolean {
  return (error) => {
    const shown = inspect(error, { depth: 20, showHidden: true });
    assert(isAppError(error), shown);
    assert.equal(error.code, code, shown);
    for (const secret of [...secrets, "sig="]) assert(!shown.includes(secret), `a secret is told: ${shown}`);
    assert(error.message.length > 0);
    return true;
  };
}
