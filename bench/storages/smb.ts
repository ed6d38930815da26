/** Samba against smbclient; every packet signed, or encrypted as well. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  SMB_USER,
  smbServerAbsence,
  startSmbServer,
} from "../../packages/storage/test/servers/smb-server.ts";
import type { Command } from "../measure.ts";
import { tryRun } from "../shell.ts";
import { holdfastClient } from "./holdfast-client.ts";
import type { Client, Kind } from "./service.ts";

export const smbSigned = smb("smb-signed", ["server signing = mandatory"], "", "sign");
export const smbEncrypted = smb("smb-encrypted", ["smb encrypt = required"], "?encrypt=required", "encrypt");

function smb(name: Kind["name"], global: readonly string[], setting: string, protection: string): Kind {
  return {
    name,
    missing: smbServerAbsence,
    async start() {
      const server = await startSmbServer(global);
      return {
        port: server.port,
        clients(port, folder) {
          const url = `smb://127.0.0.1:${String(port)}/storage/${folder}${setting}`;
          const own = holdfastClient(url, { user: SMB_USER, password: server.password });
          if (tryRun("smbclient", ["--version"]) === undefined) {
            console.error("smbclient is left out: the package smbclient is missing");
            return [own];
          }
          return [own, smbClient(`${folder}-smbclient`, { port, protection, password: server.password })];
        },
        [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
      };
    },
  };
}

interface Login {
  readonly port: number;
  readonly protection: string;
  readonly password: string;
}

function smbClient(remote: string, { port, protection, password }: Login): Client {
  const command = (scratch: string, ...lines: readonly string[]): Command => {
    const login = join(scratch, "login");
    const settings = join(scratch, "smb.conf");
    writeFileSync(login, `username=${SMB_USER}\npassword=${password}\n`, { mode: 0o600 });
    writeFileSync(settings, "[global]\n");
    const connection = ["-p", String(port), "-A", login, `--client-protection=${protection}`];
    const args = ["-s", settings, "//127.0.0.1/storage", ...connection, "-c", lines.join("; ")];
    return { program: "smbclient", args, env: {} };
  };
  return {
    name: "smbclient",
    prepare: ({ scratch }) => [command(scratch, `mkdir ${remote}`)],
    upload: ({ scratch, source }) =>
      command(scratch, "prompt OFF", "recurse ON", `lcd ${source}`, `cd ${remote}`, "mput *"),
    download: ({ scratch, target }) =>
      command(scratch, "prompt OFF", "recurse ON", `lcd ${target}`, `cd ${remote}`, "mget *"),
  };
}

export function smbVersion(): string | undefined {
  return /Version (\d\S*)/.exec(tryRun("smbclient", ["--version"]) ?? "")?.[1];
}
