/**
 * Where a storage in Azure Blob is: `azure://CONTAINER/PREFIX?account=NAME&endpoint=URL`.
 *
 * Without an endpoint it is `https://NAME.blob.core.windows.net`. An endpoint that serves several accounts has the account in
 * its path: `http://127.0.0.1:10000/devstoreaccount1`.
 *
 * @module
 */
import { AppError } from "@holdfast/kernel";
import { checkParts, parseEndpoint, parsePrefix } from "../remote/url-parts.ts";

export interface AzureLocation {
  readonly container: string;
  /** What stands before the name of an object in that of its blob: empty, or ends with a slash. */
  readonly prefix: string;
  readonly account: string | undefined;
  readonly endpoint: URL | undefined;
}

/** Azure Storage REST, "Naming and referencing containers, blobs, and metadata". */
const CONTAINER = /^(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/;
const ACCOUNT = /^[a-z0-9]{3,24}$/;
const PARAMETERS: ReadonlySet<string> = new Set(["account", "endpoint"]);
const FORM = "Write azure://CONTAINER/FOLDER?account=NAME, and &endpoint=URL where it is not Azure's own.";

/** @throws {AppError} `ERR_USAGE`, without the URL in it: somebody may have put a signature there. */
export function parseAzureLocation(url: URL): AzureLocation {
  if (url.protocol !== "azure:") throw refuse("does not begin with azure://");
  checkParts(url, PARAMETERS, refuse);
  if (!CONTAINER.test(url.hostname)) throw refuse("has no legal name of a container");
  const account = url.searchParams.get("account") ?? undefined;
  if (account !== undefined && !isAccount(account)) throw refuse("has no legal name of an account");
  return {
    container: url.hostname,
    prefix: parsePrefix(url.pathname, refuse),
    account,
    endpoint: parseEndpoint(url.searchParams.get("endpoint"), refuse),
  };
}

export function isAccount(text: string): boolean {
  return ACCOUNT.test(text);
}

/** For messages. */
export function describeLocation({ container, prefix, account, endpoint }: AzureLocation): string {
  const folder = `azure://${container}/${prefix}`.replace(/\/$/, "");
  const parameters = [
    ...(account === undefined ? [] : [`account=${account}`]),
    ...(endpoint === undefined ? [] : [`endpoint=${endpoint.href.replace(/\/$/, "")}`]),
  ];
  return parameters.length === 0 ? folder : `${folder}?${parameters.join("&")}`;
}

function refuse(what: string): AppError {
  return new AppError("ERR_USAGE", `The URL of the Azure storage ${what}.`, { remedy: FORM });
}
