/**
 * What the tests of the SMB driver share: opening it on a test server, and looking at its processes and sessions.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import type { RemoteDriver } from "../../src/remote/driver.ts";
import { openSmb, type SmbOptions } from "../../src/smb/smb-driver.ts";
import { descendants, SMB_USER, type SmbServer } from "./smb-server.ts";

/** For calls that nobody cancels. */
export const never = new AbortController().signal;

/** Makes the folder. */
export function openOn(server: SmbServer, path: string, options: Partial<SmbOptions> = {}): RemoteDriver {
  return openSmb(new URL(`smb://${SMB_USER}@127.0.0.1:${String(server.port)}/${path}`), {
    credentials: () => Promise.resolve({ password: server.password }),
    create: true,
    ...options,
  });
}

/** The line about a session in what the server says of itself; empty when there is none. */
export function sessionLine(server: SmbServer): string {
  return /^\d+\s+daemon.*$/mu.exec(server.sessions())?.[0] ?? "";
}

/** Processes of drivers of this process. */
export function helperProcesses(): readonly number[] {
  return descendants(process.pid).filter((pid) => {
    try {
      return readFileSync(`/proc/${String(pid)}/cmdline`).includes("smb/helper.ts");
    } catch {
      return false;
    }
  });
}
