/** What the tests of the WebDAV driver with Apache share. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { type ErrorCode, isAppError } from "@holdfast/kernel";
import type { RemoteDriver } from "../../src/remote/driver.ts";
import { openWebdav, type WebdavOptions } from "../../src/webdav/webdav-driver.ts";
import type { WebdavServer } from "./webdav-server.ts";

export const credentials = () => Promise.resolve({ user: "alice", password: "first secret" });
export const never = new AbortController().signal;
let folders = 0;

export const nextFolder = (): string => `storage-${String((folders += 1))}`;

export function trust(server: WebdavServer): WebdavOptions {
  return { credentials, authorities: server.authority.pem };
}

export async function open(
  server: WebdavServer,
  options: WebdavOptions & { readonly folder?: string; readonly port?: number } = {},
): Promise<RemoteDriver> {
  const { folder = nextFolder(), port, ...rest } = options;
  return openWebdav(server.url(folder, port), { ...trust(server), create: true, ...rest });
}

export async function assertFails(code: ErrorCode, call: Promise<unknown>): Promise<void> {
  await assert.rejects(call, (error) => {
    assert(isAppError(error), String(error));
    assert.equal(error.code, code, error.message);
    assert(!/first secret|second secret/.test(JSON.stringify([error.message, error.remedy, error.subject])));
    return true;
  });
}

export function noise(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let offset = 0; offset < length; offset += 32)
    createHash("sha256").update(String(offset)).digest().copy(bytes, offset);
  return bytes;
}
