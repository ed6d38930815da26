/** OpenSSH's server against its own client and restic. */
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import { basename, join } from "node:path";
import { sshdMissing, startSftpServer } from "../../packages/storage/test/servers/sftp-server.ts";
import type { Command } from "../measure.ts";
import { tryRun } from "../shell.ts";
import { holdfastClient } from "./holdfast-client.ts";
import { resticClient } from "./restic.ts";
import { type Client, type Kind, present } from "./service.ts";

export const sftp: Kind = {
  name: "sftp",
  missing: () => (sshdMissing === false ? undefined : sshdMissing),
  async start() {
    const server = await startSftpServer();
    const digest = execFileSync("openssl", ["dgst", "-sha256", "-binary"], {
      input: Buffer.from(server.hostKey[1], "base64"),
    });
    const fingerprint = `SHA256:${digest.toString("base64").replace(/=+$/u, "")}`;
    const user = userInfo().username;
    return {
      port: server.port,
      clients(port, folder) {
        const url = `sftp://${user}@127.0.0.1:${String(port)}${server.folder}/${folder}?fingerprint=${fingerprint}`;
        const own = holdfastClient(url, { keyFile: server.keyFile });
        if (tryRun("ssh", ["-V"]) === undefined) {
          console.error("sftp and restic are left out: the package openssh-client is missing");
          return [own];
        }
        const login = { port, user, keyFile: server.keyFile, hostKey: server.hostKey };
        return present([
          own,
          sftpClient(`${server.folder}/${folder}-sftp`, login),
          resticClient({
            repository: `sftp:${user}@127.0.0.1:${server.folder}/${folder}-restic`,
            env: {},
            options: (scratch) => {
              const place = ["-p", String(port), `${user}@127.0.0.1`, "-s", "sftp"];
              return ["--option", `sftp.command=ssh ${[...sshOptions(scratch, login), ...place].join(" ")}`];
            },
          }),
        ]);
      },
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    };
  },
};

interface Login {
  readonly port: number;
  readonly user: string;
  readonly keyFile: string;
  readonly hostKey: readonly [string, string];
}

/** Of OpenSSH's programs. */
function sshOptions(scratch: string, { port, keyFile, hostKey }: Login): readonly string[] {
  const hosts = join(scratch, "known_hosts");
  writeFileSync(hosts, `[127.0.0.1]:${String(port)} ${hostKey.join(" ")}\n`);
  const options = [`UserKnownHostsFile=${hosts}`, "StrictHostKeyChecking=yes", "IdentitiesOnly=yes"];
  return ["-F", "none", "-i", keyFile, ...options.flatMap((option) => ["-o", option])];
}

function sftpClient(remote: string, login: Login): Client {
  const batch = (scratch: string, ...lines: readonly string[]): Command => {
    const file = join(scratch, "batch");
    writeFileSync(file, `${lines.join("\n")}\n`);
    const place = ["-P", String(login.port), `${login.user}@127.0.0.1`];
    return { program: "sftp", args: ["-q", "-b", file, ...sshOptions(scratch, login), ...place], env: {} };
  };
  return {
    name: "sftp",
    prepare: ({ scratch }) => [batch(scratch, `mkdir ${remote}`)],
    upload: ({ scratch, source }) => batch(scratch, `put -R ${source} ${remote}/`),
    download: ({ scratch, source, target }) =>
      batch(scratch, `get -R ${remote}/${basename(source)} ${target}/`),
  };
}

/** The version of the programs that are measured. */
export function sshVersion(): string {
  const text = execFileSync("sh", ["-c", "ssh -V 2>&1"], { encoding: "utf8" });
  return /OpenSSH_(\S+)/.exec(text)?.[1]?.replace(/,$/, "") ?? "unknown";
}
