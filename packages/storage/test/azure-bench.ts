/** An Azure driver on a scripted service. */
import { openAzure } from "../src/azure/open-azure.ts";
import type { AzureOptions } from "../src/azure/options.ts";
import type { RemoteDriver } from "../src/remote/driver.ts";
import { always, hasCode as failsWith, never } from "./azure-fixture.ts";
import { startScriptedAzure } from "./servers/scripted-azure.ts";
import type { Script } from "./servers/scripted-http.ts";

export const KEY = Buffer.from("the-secret-that-nobody-may-see").toString("base64");
export const SAS = "sv=2025-01-05&sp=rwdlc&sig=a-secret-that-nobody-may-see";
export const credentials = always({ accountKey: KEY });

export interface Bench extends AsyncDisposable {
  readonly driver: RemoteDriver;
  readonly requests: readonly string[];
}

export async function bench(script: Script, options: AzureOptions = {}): Promise<Bench> {
  const server = await startScriptedAzure(script);
  const driver = await openAzure(server.url, { credentials, idleTimeoutMs: 5000, ...options });
  return {
    driver,
    requests: server.requests,
    [Symbol.asyncDispose]: async () => {
      await driver[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

export const put = (driver: RemoteDriver, name: string, length = 5) =>
  driver.put(name, new Uint8Array(length), undefined, never);

export const hasCode = (code: Parameters<typeof failsWith>[0]) => failsWith(code, KEY, SAS, "may-see");
