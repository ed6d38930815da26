/**
 * What makes an agent this device of this service, in its state folder: `identity.json`, and the private key in a file of its
 * own, which the identity names. So a new key and its certificate come into force together.
 *
 * @module
 */
import { randomUUID, X509Certificate } from "node:crypto";
import { AppError } from "@holdfast/kernel";
import { deviceId } from "@holdfast/protocol";
import { z } from "zod";
import type { StateFolder } from "../state/state-folder.ts";

const IDENTITY = "identity.json";
const KEY_NAME = /^key-[0-9a-f-]{36}\.pem$/u;

const pem = z
  .string()
  .min(1)
  .max(64 * 1024);

const identityFile = z.object({
  version: z.literal(1),
  service: z.url({ protocol: /^https$/u }).max(2048),
  /** For going to the service; may hold a password, as such URLs do. */
  proxy: z.string().max(2048).optional(),
  device: deviceId,
  authority: pem,
  certificate: pem,
  key: z.string().regex(KEY_NAME),
});

export interface Identity {
  readonly service: string;
  readonly proxy: string | undefined;
  readonly device: string;
  /** PEM, as all that follow. */
  readonly authority: string;
  readonly certificate: string;
  readonly privateKey: string;
}

/** @throws AppError `ERR_AGENT_NOT_ENROLLED`, `ERR_AGENT_STATE`. */
export async function readIdentity(folder: StateFolder): Promise<Identity> {
  const bytes = await folder.read(IDENTITY);
  if (bytes === undefined) {
    throw new AppError("ERR_AGENT_NOT_ENROLLED", "This device is not enrolled.", {
      subject: folder.path,
      remedy: "Ask an administrator for a code: holdfast agent enroll --service URL --code CODE",
    });
  }
  const { key, version: _, proxy, ...file } = parse(bytes, folder.path);
  const privateKey = await folder.read(key);
  if (privateKey === undefined) throw damaged(folder.path);
  return { ...file, proxy, privateKey: privateKey.toString("latin1") };
}

/** Replaces the identity, or makes the first one. A kill at any moment leaves the old one or the new one whole. */
export async function writeIdentity(folder: StateFolder, identity: Identity): Promise<void> {
  const old = await folder.read(IDENTITY);
  const key = `key-${randomUUID()}.pem`;
  const { privateKey, proxy, ...fields } = identity;
  await folder.write(key, Buffer.from(privateKey, "latin1"));
  const file = { version: 1, ...fields, ...(proxy === undefined ? {} : { proxy }), key };
  await folder.write(IDENTITY, Buffer.from(`${JSON.stringify(file, undefined, 2)}\n`));
  if (old !== undefined) await folder.remove(parse(old, folder.path).key);
}

export async function isEnrolled(folder: StateFolder): Promise<boolean> {
  return (await folder.read(IDENTITY)) !== undefined;
}

export interface CertificateTimes {
  readonly fromMs: number;
  readonly untilMs: number;
}

export function certificateTimes({ certificate }: Pick<Identity, "certificate">): CertificateTimes {
  const { validFromDate, validToDate } = new X509Certificate(certificate);
  return { fromMs: validFromDate.getTime(), untilMs: validToDate.getTime() };
}

function parse(bytes: Buffer, path: string): z.infer<typeof identityFile> {
  try {
    return identityFile.parse(JSON.parse(bytes.toString("utf8")));
  } catch (cause) {
    throw damaged(path, cause);
  }
}

function damaged(path: string, cause?: unknown): AppError {
  return new AppError("ERR_AGENT_STATE", `The agent's identity in ${path} is damaged.`, {
    subject: path,
    remedy: "Empty the folder, remove the device in the service, and enroll it again.",
    cause,
  });
}
