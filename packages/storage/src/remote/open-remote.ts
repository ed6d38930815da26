/**
 * From a URL to a remote storage. A driver is loaded when the first storage of its kind is opened: nobody waits for, or
 * needs to have, what a protocol that is not used brings along.
 *
 * @module
 */
import { readFile } from "node:fs/promises";
import { AppError, systemClock, systemRandomness } from "@holdfast/kernel";
import type { Storage } from "../contract.ts";
import type { CredentialSource, StorageCredentials } from "../credentials.ts";
import type { RemoteDriver } from "./driver.ts";
import { newTransferRate, type TransferRate } from "./limits.ts";
import { openRemoteStorage } from "./remote-storage.ts";
import { withRetries } from "./retry.ts";
import { type RemoteSettings, takeSettings } from "./settings.ts";

/** A person who has mistyped the name of a server should not wait long to be told. */
const OPENING_DEADLINE_MS = 10_000;

export interface OpenRemoteOptions {
  readonly create?: boolean;
  readonly credentials?: CredentialSource;
  readonly onRefused?: () => void;
}

interface Opening extends OpenRemoteOptions {
  readonly url: URL;
  readonly settings: RemoteSettings;
  readonly rate: TransferRate | undefined;
}

const OPENERS: Readonly<Record<string, (opening: Opening) => Promise<RemoteDriver>>> = {
  "sftp:": openSftpDriver,
  "s3:": openS3Driver,
  "smb:": openSmbDriver,
  "webdav:": openWebdavDriver,
  "webdavs:": openWebdavDriver,
  "azure:": openAzureDriver,
};

/** @throws {AppError} `ERR_USAGE`, and what opening the driver throws. */
export async function openRemote(location: string, options: OpenRemoteOptions): Promise<Storage> {
  const url = parseUrl(location);
  const settings = takeSettings(url);
  const open = OPENERS[url.protocol];
  if (open === undefined) throw usage("Storages of this kind are not known.");
  const { parallel, bytesPerSecond, retrySeconds } = settings;
  const deadlineMs = retrySeconds === undefined ? undefined : retrySeconds * 1000;
  const rate = bytesPerSecond === undefined ? undefined : newTransferRate(bytesPerSecond, systemClock);
  const driver = await withRetries(() => open({ ...options, url, settings, rate }), {
    clock: systemClock,
    randomness: systemRandomness,
    deadlineMs: deadlineMs ?? OPENING_DEADLINE_MS,
    signal: new AbortController().signal,
    onRefused: options.onRefused,
  });
  return openRemoteStorage(driver, {
    onRefused: options.onRefused,
    ...(deadlineMs === undefined ? {} : { deadlineMs }),
    ...(parallel === undefined ? {} : { parallel }),
  });
}

async function openSftpDriver({ url, settings, create, credentials, rate }: Opening): Promise<RemoteDriver> {
  const { openSftp } = await import("../sftp/sftp-driver.ts");
  const { fingerprints } = settings;
  return openSftp(url, {
    ...(create === undefined ? {} : { create }),
    ...(fingerprints.length === 0 ? {} : { fingerprints }),
    rate,
    credentials: async () => {
      const { keyFile, privateKey, passphrase, password } = await given(credentials);
      return {
        ...(privateKey === undefined ? {} : { keys: [privateKey] }),
        ...(keyFile === undefined ? {} : { keyFiles: [keyFile] }),
        ...(passphrase === undefined ? {} : { passphrase }),
        ...(password === undefined ? {} : { password }),
      };
    },
  });
}

async function openS3Driver({ url, settings, credentials, rate }: Opening): Promise<RemoteDriver> {
  const { openS3 } = await import("../s3/open-s3.ts");
  return openS3(url, {
    caFile: settings.ca,
    fingerprint: only(settings.fingerprints),
    allowPlainHttp: settings.plainHttp,
    objectLock: settings.lock,
    rate,
    credentials:
      credentials === undefined
        ? undefined
        : async () => {
            const { accessKeyId, secretAccessKey, sessionToken } = await credentials();
            return {
              accessKeyId: needed(accessKeyId, "accessKeyId"),
              secretAccessKey: needed(secretAccessKey, "secretAccessKey"),
              sessionToken,
            };
          },
  });
}

async function openAzureDriver({ url, settings, credentials, rate }: Opening): Promise<RemoteDriver> {
  const { openAzure } = await import("../azure/open-azure.ts");
  return openAzure(url, {
    caFile: settings.ca,
    fingerprint: only(settings.fingerprints),
    allowPlainHttp: settings.plainHttp,
    lock: settings.lock,
    rate,
    credentials,
  });
}

async function openSmbDriver({ url, settings, create, credentials, rate }: Opening): Promise<RemoteDriver> {
  const { openSmb } = await import("../smb/smb-driver.ts");
  const { encrypt, kerberos } = settings;
  return openSmb(url, {
    kerberos,
    rate,
    ...(encrypt === undefined ? {} : { encrypt }),
    ...(create === undefined ? {} : { create }),
    credentials: async () => {
      const { user, domain, password } = await given(credentials);
      return {
        ...(user === undefined ? {} : { user }),
        ...(domain === undefined ? {} : { domain }),
        ...(password === undefined ? {} : { password }),
      };
    },
  });
}

async function openWebdavDriver({
  url,
  settings,
  create,
  credentials,
  rate,
}: Opening): Promise<RemoteDriver> {
  const { openWebdav } = await import("../webdav/webdav-driver.ts");
  const fingerprint = only(settings.fingerprints);
  const authorities = settings.ca === undefined ? undefined : await readAuthorities(settings.ca);
  return openWebdav(url, {
    allowPlainHttp: settings.plainHttp,
    rate,
    ...(create === undefined ? {} : { create }),
    ...(fingerprint === undefined ? {} : { fingerprint }),
    ...(authorities === undefined ? {} : { authorities }),
    ...(credentials === undefined
      ? {}
      : {
          credentials: async () => {
            const { user, password, bearer } = await credentials();
            if (bearer !== undefined) return { bearer };
            return { user: needed(user, "user"), password: needed(password, "password") };
          },
        }),
  });
}

async function given(credentials: CredentialSource | undefined): Promise<StorageCredentials> {
  return credentials === undefined ? {} : credentials();
}

function needed(value: string | undefined, name: string): string {
  if (value !== undefined) return value;
  throw new AppError("ERR_STORAGE_CREDENTIALS", `The credentials of the storage have no "${name}".`, {
    subject: name,
    remedy: "docs/storages.md says what each kind of storage needs.",
  });
}

function only(fingerprints: readonly string[]): string | undefined {
  const [fingerprint, ...others] = fingerprints;
  if (others.length === 0) return fingerprint;
  throw usage("The storage's URL has more than one fingerprint of a certificate.");
}

async function readAuthorities(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    throw new AppError("ERR_USAGE", `The file of authorities ${path} cannot be read.`, {
      subject: path,
      remedy: "Name a PEM file in the setting `ca` of the storage's URL.",
      cause,
    });
  }
}

function parseUrl(location: string): URL {
  if (URL.canParse(location)) return new URL(location);
  throw usage("The storage's URL cannot be understood.");
}

function usage(message: string): AppError {
  return new AppError("ERR_USAGE", message, {
    remedy: "docs/storages.md says how each kind of storage is named.",
  });
}
