/** What the tests of the S3 driver against a real server share. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { inspect } from "node:util";
import { CreateBucketCommand, PutBucketVersioningCommand, S3Client } from "@aws-sdk/client-s3";
import { type ErrorCode, isAppError } from "@holdfast/kernel";
import type { S3Credentials, S3Options } from "../src/s3/options.ts";
import type { ConditionalGateway } from "./servers/conditional-gateway.ts";
import type { S3Server } from "./servers/s3-server.ts";

export const MEBIBYTE = 1024 * 1024;

export interface Fixture {
  readonly server: S3Server;
  readonly owner: S3Credentials;
  readonly admin: S3Client;
  /** For {@link freshUrl}. */
  readonly bucket: string;
  /** The server, but with conditions kept everywhere. */
  readonly gateway: ConditionalGateway;
  readonly versioned: string;
}

export function adminClient(server: S3Server, credentials: S3Credentials): S3Client {
  const { accessKeyId, secretAccessKey } = credentials;
  return new S3Client({
    endpoint: server.endpoint,
    region: "us-east-1",
    forcePathStyle: true,
    credentials: { accessKeyId, secretAccessKey },
  });
}

export async function makeBucket(
  admin: S3Client,
  { versions = false, lock = false }: { readonly versions?: boolean; readonly lock?: boolean } = {},
): Promise<string> {
  const Bucket = `b-${randomUUID()}`;
  await admin.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: lock }));
  if (versions) {
    const VersioningConfiguration = { Status: "Enabled" } as const;
    await admin.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration }));
  }
  return Bucket;
}

/** A new folder of the bucket each time. */
export function freshUrl(bucket: string, endpoint: string): URL {
  return new URL(`s3://${bucket}/${randomUUID()}?endpoint=${encodeURIComponent(endpoint)}`);
}

export const never = new AbortController().signal;

export function always(credentials: S3Credentials): NonNullable<S3Options["credentials"]> {
  return () => Promise.resolve(credentials);
}

export function hasCode(code: ErrorCode): (error: unknown) => boolean {
  return (error) => {
    assert(isAppError(error), inspect(error));
    assert.equal(error.code, code, inspect(error));
    return error.message.length > 0;
  };
}

/** Eight at once. */
export async function inTurns<T>(items: readonly T[], work: (item: T) => Promise<unknown>): Promise<void> {
  const rest = items.values();
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      for (const item of rest) await work(item);
    }),
  );
}

export function setEnvironment(values: Readonly<Record<string, string | undefined>>): Disposable {
  const before = Object.keys(values).map((name) => [name, process.env[name]] as const);
  const assign = (entries: readonly (readonly [string, string | undefined])[]): void => {
    for (const [name, value] of entries) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  };
  assign(Object.entries(values));
  return {
    [Symbol.dispose]: () => {
      assign(before);
    },
  };
}
