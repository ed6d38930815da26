/**
 * What a person gives a storage to log in with, as JSON: the content of a file that nobody else can read.
 *
 * @module
 */
import { AppError } from "@holdfast/kernel";

const TEXTS = [
  "user",
  "domain",
  "password",
  "bearer",
  "keyFile",
  "privateKey",
  "passphrase",
  "accessKeyId",
  "secretAccessKey",
  "sessionToken",
  "account",
  "accountKey",
  "sas",
] as const;

/** Each driver takes what its protocol knows; docs/storages.md says which. */
export type StorageCredentials = { readonly [name in (typeof TEXTS)[number]]?: string };

/** Asked whenever a connection needs them, so that what is replaced counts at once. */
export type CredentialSource = () => Promise<StorageCredentials>;

const LENGTH_MAX = 64 * 1024;

/**
 * @param subject what the text is, for messages, which repeat nothing of it.
 * @throws {AppError} `ERR_USAGE`.
 */
export function decodeStorageCredentials(text: string, subject: string): StorageCredentials {
  const unusable = (reason: string): AppError =>
    new AppError("ERR_USAGE", `The credentials in ${subject} cannot be used: ${reason}.`, {
      subject,
      remedy: `Write a JSON object with some of these texts: ${TEXTS.join(", ")}.`,
    });
  if (text.length > LENGTH_MAX) throw unusable("they are too long");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The message of the parser would quote the text.
    throw unusable("they are not JSON");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw unusable("they are no object");
  }
  const credentials: { [name in (typeof TEXTS)[number]]?: string } = {};
  for (const [name, given] of Object.entries(value)) {
    const known = TEXTS.find((one) => one === name);
    if (known === undefined) throw unusable("they have a field that nobody knows");
    if (typeof given !== "string" || given === "") throw unusable(`"${known}" is no text`);
    credentials[known] = given;
  }
  return credentials;
}
