/**
 * With what, and at which endpoint, the account is asked: from the URL and from credentials that were given or, without any,
 * from the variables that Azure's own tools use.
 *
 * @module
 */
import { AppError } from "@holdfast/kernel";
import { type AzureLocation, describeLocation, isAccount } from "./location.ts";
import type { AzureCredentials } from "./options.ts";

export interface AzureAccess {
  /** Without a slash at its end. */
  readonly endpoint: string;
  readonly secret:
    | { readonly kind: "key"; readonly account: string; readonly key: string }
    | { readonly kind: "sas"; readonly sas: string };
}

interface Found extends AzureCredentials {
  readonly endpoint?: URL | undefined;
  readonly suffix?: string | undefined;
}

type Environment = Readonly<Record<string, string | undefined>>;

const SUFFIX = "core.windows.net";

/**
 * @param given undefined when there was nobody to ask.
 * @throws {AppError} `ERR_STORAGE_CREDENTIALS`, which repeats nothing of them.
 */
export function resolveAccess(
  location: AzureLocation,
  given: AzureCredentials | undefined,
  environment: Environment,
): AzureAccess {
  const found: Found = given ?? readEnvironment(location, environment);
  const account = found.account ?? location.account;
  if (account !== undefined && !isAccount(account)) {
    throw unusable(location, "name an account that cannot be one");
  }
  if (location.account !== undefined && account !== location.account) {
    throw unusable(location, "are those of another account");
  }
  const endpoint = location.endpoint ?? found.endpoint ?? defaultEndpoint(location, account, found.suffix);
  return { endpoint: endpoint.href.replace(/\/+$/, ""), secret: secretOf(location, found, account) };
}

function secretOf(
  location: AzureLocation,
  { accountKey, sas }: Found,
  account: string | undefined,
): AzureAccess["secret"] {
  if (accountKey !== undefined && sas !== undefined) throw unusable(location, "have both a key and a SAS");
  if (accountKey !== undefined) {
    if (account === undefined) throw unusable(location, "do not name the account of the key");
    if (!/^[A-Za-z0-9+/]{4,}={0,2}$/.test(accountKey))
      throw unusable(location, "have a key that is no Base64");
    return { kind: "key", account, key: accountKey };
  }
  if (sas !== undefined) return { kind: "sas", sas: checkSas(location, sas) };
  throw new AppError(
    "ERR_STORAGE_CREDENTIALS",
    `There are no credentials for ${describeLocation(location)}.`,
    {
      subject: describeLocation(location),
      remedy:
        "Give credentials with account and accountKey, or with sas; or set AZURE_STORAGE_ACCOUNT and AZURE_STORAGE_KEY or " +
        "AZURE_STORAGE_SAS_TOKEN, or AZURE_STORAGE_CONNECTION_STRING.",
    },
  );
}

function checkSas(location: AzureLocation, text: string): string {
  const sas = text.replace(/^\?/, "");
  const legal = /^[!-~]+$/.test(sas) && !sas.includes("#") && !sas.includes("?");
  if (!legal || !new URLSearchParams(sas).has("sig")) {
    throw unusable(location, "have a SAS that is not the query of a signed URL");
  }
  return sas;
}

function defaultEndpoint(location: AzureLocation, account: string | undefined, suffix = SUFFIX): URL {
  if (account === undefined) {
    throw new AppError("ERR_USAGE", `The account of ${describeLocation(location)} is not known.`, {
      subject: describeLocation(location),
      remedy: "Add account=NAME to the URL, or the account to the credentials.",
    });
  }
  const text = `https://${account}.blob.${suffix}`;
  if (!/^[a-z0-9.-]+$/i.test(suffix) || !URL.canParse(text)) {
    throw unusable(location, "have an EndpointSuffix that is none");
  }
  return new URL(text);
}

/** The order of Azure's command line: a connection string, a key, a SAS. */
function readEnvironment(location: AzureLocation, environment: Environment): Found {
  const read = (name: string): string | undefined => environment[name] || undefined;
  const connection = read("AZURE_STORAGE_CONNECTION_STRING");
  if (connection !== undefined) return readConnectionString(location, connection);
  const account = location.account ?? read("AZURE_STORAGE_ACCOUNT");
  const accountKey = read("AZURE_STORAGE_KEY");
  if (accountKey !== undefined) return { account, accountKey };
  return { account, sas: read("AZURE_STORAGE_SAS_TOKEN") };
}

/** Azure Storage documentation, "Configure Azure Storage connection strings". */
function readConnectionString(location: AzureLocation, text: string): Found {
  const values = new Map<string, string>();
  for (const part of text.split(";").filter((one) => one.trim() !== "")) {
    const equals = part.indexOf("=");
    values.set(part.slice(0, equals).trim().toLowerCase(), part.slice(equals + 1).trim());
  }
  const blob = values.get("blobendpoint");
  if (blob !== undefined && !URL.canParse(blob)) {
    throw unusable(location, "have a BlobEndpoint that is no URL");
  }
  return {
    account: values.get("accountname"),
    accountKey: values.get("accountkey"),
    // A connection string that has both means the key.
    sas: values.has("accountkey") ? undefined : values.get("sharedaccesssignature"),
    endpoint: blob === undefined ? undefined : new URL(blob),
    suffix: values.get("endpointsuffix"),
  };
}

function unusable(location: AzureLocation, what: string): AppError {
  return new AppError(
    "ERR_STORAGE_CREDENTIALS",
    `The credentials for ${describeLocation(location)} cannot be used: they ${what}.`,
    {
      subject: describeLocation(location),
      remedy: "docs/storages.md says what a storage in Azure needs to log in.",
    },
  );
}
