/** An S3 driver on a scripted server. */
import assert from "node:assert/strict";
import { inspect } from "node:util";
import { type ErrorCode, isAppError } from "@holdfast/kernel";
import type { RemoteDriver } from "../src/remote/driver.ts";
import { openS3 } from "../src/s3/open-s3.ts";
import type { S3Options } from "../src/s3/options.ts";
import { type Script, startScriptedS3 } from "./servers/scripted-s3.ts";

export const MEBIBYTE = 1024 * 1024;
export const SECRET = "the-secret-that-nobody-may-see";
export const never = new AbortController().signal;
export const credentials = () =>
  Promise.resolve({ accessKeyId: "KEY", secretAccessKey: SECRET, sessionToken: `${SECRET}-too` });

export interface Bench extends AsyncDisposable {
  readonly driver: RemoteDriver;
  readonly requests: readonly string[];
}

export async function bench(script: Script, options: S3Options = {}): Promise<Bench> {
  const server = await startScriptedS3(script);
  const driver = await openS3(server.url, { credentials, idleTimeoutMs: 5000, ...options });
  return {
    driver,
    requests: server.requests,
    [Symbol.asyncDispose]: async () => {
      await driver[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

export function hasCode(code: ErrorCode): (error: unknown) => boolean {
  return (error) => {
    const shown = inspect(error, { depth: 20, showHidden: true });
    assert(isAppError(error, code), shown);
    assert(!shown.includes(SECRET), "the error repeats a secret");
    return true;
  };
}

export const put = (driver: RemoteDriver, name: string, length = 5) =>
  driver.put(name, new Uint8Array(length), undefined, never);
