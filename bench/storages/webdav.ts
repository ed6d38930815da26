/** Apache's WebDAV, over TLS, against rclone, curl and restic. */
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startWebdavServer, webdavServerMissing } from "../../packages/storage/test/servers/webdav-server.ts";
import type { Command } from "../measure.ts";
import { tryRun } from "../shell.ts";
import { listTree } from "../tree.ts";
import { holdfastClient } from "./holdfast-client.ts";
import { obscured, rcloneClient, rcloneEnvironment } from "./rclone.ts";
import { resticOverRclone } from "./restic.ts";
import { type Client, type Kind, present } from "./service.ts";

const USER = "alice";
const PASSWORD = "first secret";

export const webdav: Kind = {
  name: "webdav",
  missing: () => (webdavServerMissing === false ? undefined : webdavServerMissing),
  async start(folder) {
    const server = await startWebdavServer({ tls: true, authentication: "basic" });
    await server.setUser(USER, PASSWORD);
    const caFile = join(folder, "authority.pem");
    writeFileSync(caFile, server.authority.pem);
    return {
      port: server.port,
      clients(port, name) {
        const url = `${server.url(name, port)}?ca=${encodeURIComponent(caFile)}`;
        const base = `https://127.0.0.1:${String(port)}`;
        const rclone = rcloneEnvironment(
          { TYPE: "webdav", VENDOR: "other", URL: base, USER, PASS: obscured(PASSWORD) },
          caFile,
        );
        return present([
          holdfastClient(url, { user: USER, password: PASSWORD }),
          rcloneClient(`${name}-rclone`, rclone),
          curlClient(`${base}/${name}-curl/`, caFile),
          resticOverRclone(`${name}-restic`, rclone),
        ]);
      },
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    };
  },
};

function curlClient(url: string, caFile: string): Client | undefined {
  if (tryRun("curl", ["--version"]) === undefined) {
    console.error("curl is left out: the package curl is missing");
    return undefined;
  }
  const command = (scratch: string, lines: readonly string[]): Command => {
    // Not in the arguments, which everybody on the machine may read.
    const file = join(scratch, "curl.conf");
    const login = [`user = "${USER}:${PASSWORD}"`, `cacert = "${caFile}"`, "fail", "silent", "show-error"];
    writeFileSync(file, `${[...login, ...lines].join("\n")}\n`);
    chmodSync(file, 0o600);
    return { program: "curl", args: ["-K", file], env: {} };
  };
  return {
    name: "curl",
    prepare: ({ scratch }) => [command(scratch, [`url = "${url}"`, "request = MKCOL"])],
    handles: ["noise", "image"],
    upload: ({ scratch, source }) =>
      command(
        scratch,
        names(source).flatMap((path) => [`url = "${url}${path}"`, `upload-file = "${join(source, path)}"`]),
      ),
    download: ({ scratch, source, target }) =>
      command(
        scratch,
        names(source).flatMap((path) => [`url = "${url}${path}"`, `output = "${join(target, path)}"`]),
      ),
  };
}

function names(source: string): readonly string[] {
  return listTree(source).files.map(({ path }) => path);
}

export function curlVersion(): string | undefined {
  return /curl (\d\S*)/.exec(tryRun("curl", ["--version"]) ?? "")?.[1];
}
