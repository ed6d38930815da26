/**
 * What the URL of a storage says besides the place: settings that are no secrets.
 *
 * - `ca=FILE`: PEM file of the authorities that the server's certificate must come from (S3, Azure, WebDAV).
 * - `fingerprint=SHA256`: of the server's certificate, in hexadecimal (S3, Azure, WebDAV); of the host's key as `ssh-keygen -l` prints
 *   it (SFTP), there also several times.
 * - `encrypt=required|desired`, `kerberos=yes` (SMB).
 * - `lock=compliance:DAYS|governance:DAYS` (S3, Azure): nobody can delete or change an object for so long.
 * - `plain-http=yes`: lets http:// leave this machine (S3, Azure, WebDAV).
 * - `parallel=N`, `rate=BYTES` (a second): how much of the storage is used at once.
 * - `retry=SECONDS`: for how long what failed by accident is tried again.
 *
 * @module
 */
import { AppError } from "@holdfast/kernel";

export interface RemoteSettings {
  readonly ca: string | undefined;
  readonly fingerprints: readonly string[];
  readonly encrypt: "required" | "desired" | undefined;
  readonly kerberos: boolean;
  readonly lock: { readonly mode: "COMPLIANCE" | "GOVERNANCE"; readonly days: number } | undefined;
  readonly plainHttp: boolean;
  readonly parallel: number | undefined;
  readonly bytesPerSecond: number | undefined;
  readonly retrySeconds: number | undefined;
}

const PARALLEL_MAX = 64;
/** A session without a sign of life gives up by then. */
const RETRY_SECONDS_MAX = 12 * 3600;
const DAYS_MAX = 36_500;

/**
 * Takes the settings out of the URL; what is left is for the driver.
 *
 * @throws {AppError} `ERR_USAGE`, which names the setting and repeats nothing else of the URL.
 */
export function takeSettings(url: URL): RemoteSettings {
  const taken = new SettingReader(url);
  return {
    ca: taken.text("ca"),
    // A plus sign of Base64 is a space in a query, and nobody thinks of writing %2B.
    fingerprints: taken.texts("fingerprint").map((text) => text.replaceAll(" ", "+")),
    encrypt: taken.choice("encrypt", ["required", "desired"]),
    kerberos: taken.choice("kerberos", ["yes", "no"]) === "yes",
    lock: readLock(taken.text("lock")),
    plainHttp: taken.choice("plain-http", ["yes", "no"]) === "yes",
    parallel: taken.number("parallel", PARALLEL_MAX),
    bytesPerSecond: taken.number("rate", Number.MAX_SAFE_INTEGER),
    retrySeconds: taken.number("retry", RETRY_SECONDS_MAX),
  };
}

class SettingReader {
  readonly #url: URL;

  constructor(url: URL) {
    this.#url = url;
  }

  texts(name: string): readonly string[] {
    const values = this.#url.searchParams.getAll(name);
    // Without any parameter not even the question mark is to be left.
    if (values.length > 0) this.#url.searchParams.delete(name);
    return values;
  }

  text(name: string): string | undefined {
    const [value, ...others] = this.texts(name);
    if (others.length > 0 || value === "") throw unusable(name, "one value");
    return value;
  }

  choice<T extends string>(name: string, choices: readonly T[]): T | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    const choice = choices.find((one) => one === value);
    if (choice === undefined) throw unusable(name, choices.join(" or "));
    return choice;
  }

  number(name: string, most: number): number | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    const number = Number(value);
    if (/^\d+$/.test(value) && number > 0 && number <= most) return number;
    throw unusable(name, `a whole number from 1 to ${String(most)}`);
  }
}

function readLock(text: string | undefined): RemoteSettings["lock"] {
  if (text === undefined) return undefined;
  const [, mode, days] = /^(compliance|governance):(\d{1,5})$/i.exec(text) ?? [];
  const count = Number(days);
  if (mode === undefined || count < 1 || count > DAYS_MAX)
    throw unusable("lock", "compliance:DAYS or governance:DAYS");
  return { mode: mode.toUpperCase() === "COMPLIANCE" ? "COMPLIANCE" : "GOVERNANCE", days: count };
}

function unusable(name: string, wanted: string): AppError {
  return new AppError("ERR_USAGE", `The setting "${name}" in the storage's URL is not ${wanted}.`, {
    subject: name,
    remedy: "docs/storages.md lists what the URL of a storage may say.",
  });
}
