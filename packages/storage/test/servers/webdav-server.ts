/**
 * Apache with mod_dav as a WebDAV server for tests: on a free port of 127.0.0.1, in a temporary folder, as one process that
 * ends with the test.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { accessSync, constants, existsSync } from "node:fs";
import { chmod, chown, mkdir, readFile, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { delimiter, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { scratchFolder } from "../scratch-folder.ts";
import { type Certificate, makeCertificates } from "./certificates.ts";

const MODULES_FOLDER = "/usr/lib/apache2/modules";
const REALM = "holdfast test";
const START_TIMEOUT_MS = 15_000;
const STOP_TIMEOUT_MS = 5000;

const MODULES =
  "mpm_event authn_core authz_core authz_user authn_file auth_basic auth_digest dav dav_fs dir socache_shmcb ssl".split(
    " ",
  );

/** Why the tests with Apache are skipped; false when they are not. */
export const webdavServerMissing: string | false = findMissing();

export interface WebdavServerOptions {
  readonly tls: boolean;
  readonly authentication: "basic" | "digest";
}

export interface WebdavServer extends AsyncDisposable {
  readonly port: number;
  /** Folder on the disk that the server offers as `/`. Users get nothing of `/denied`, and read only in `/readonly`. */
  readonly files: string;
  /** What the server says, every request. */
  readonly logFiles: readonly string[];
  readonly authority: Certificate;
  readonly certificate: Certificate;
  /** Of the storage in this folder of the server; through another port of this machine when given. */
  url(folder: string, port?: number): string;
  /** Replaces the only user. */
  setUser(user: string, password: string): Promise<void>;
  /** Makes a folder that the server may write to. */
  makeFolder(name: string): Promise<string>;
  kill(): Promise<void>;
  start(): Promise<void>;
}

export async function startWebdavServer(options: WebdavServerOptions): Promise<WebdavServer> {
  const scratch = await scratchFolder();
  const server = new Apache(scratch.path, options, await freePort(), async () => {
    await scratch[Symbol.asyncDispose]();
  });
  try {
    await server.prepare();
    await server.start();
    return server;
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw error;
  }
}

class Apache implements WebdavServer {
  readonly port: number;
  readonly files: string;
  readonly logFiles: readonly string[];
  readonly authority: Certificate;
  readonly certificate: Certificate;
  readonly #folder: string;
  readonly #options: WebdavServerOptions;
  readonly #remove: () => Promise<void>;
  #child: ChildProcess | undefined;

  constructor(folder: string, options: WebdavServerOptions, port: number, remove: () => Promise<void>) {
    this.port = port;
    this.files = join(folder, "files");
    this.logFiles = ["access.log", "error.log"].map((name) => join(folder, name));
    this.#folder = folder;
    this.#options = options;
    this.#remove = remove;
    ({ authority: this.authority, server: this.certificate } = makeCertificates(folder));
  }

  url(folder: string, port = this.port): string {
    return `${this.#options.tls ? "webdavs" : "webdav"}://127.0.0.1:${String(port)}/${folder}`;
  }

  async prepare(): Promise<void> {
    // The server gives up its rights and still has to come to its files.
    await chmod(this.#folder, 0o755);
    for (const name of ["files", "locks"]) {
      await mkdir(join(this.#folder, name));
      await own(join(this.#folder, name));
    }
    for (const name of ["denied", "readonly"]) await this.makeFolder(name);
    await this.setUser("alice", "first secret");
    await writeFile(join(this.#folder, "apache.conf"), this.#configuration());
  }

  async setUser(user: string, password: string): Promise<void> {
    const hash = (algorithm: string, text: string, encoding: "hex" | "base64"): string =>
      createHash(algorithm).update(text).digest(encoding);
    await writeFile(
      join(this.#folder, "users"),
      this.#options.authentication === "digest"
        ? `${user}:${REALM}:${hash("md5", `${user}:${REALM}:${password}`, "hex")}\n`
        : `${user}:{SHA}${hash("sha1", password, "base64")}\n`,
    );
  }

  async makeFolder(name: string): Promise<string> {
    const path = join(this.files, name);
    await mkdir(path);
    await own(path);
    return path;
  }

  async start(): Promise<void> {
    const child = spawn(apachePath() ?? "", ["-X", "-f", join(this.#folder, "apache.conf")], {
      stdio: ["ignore", "ignore", "inherit"],
    });
    this.#child = child;
    process.once("exit", this.#killNow);
    const endMs = performance.now() + START_TIMEOUT_MS;
    while (!(await accepts(this.port))) {
      if (child.exitCode !== null || performance.now() > endMs) throw new Error(await this.#log());
      await sleep(20);
    }
  }

  async kill(): Promise<void> {
    await this.#stop("SIGKILL");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stop("SIGTERM");
    await this.#remove();
  }

  readonly #killNow = (): void => {
    this.#child?.kill("SIGKILL");
  };

  async #stop(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    process.off("exit", this.#killNow);
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill(signal);
    const timer = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS);
    await ended;
    clearTimeout(timer);
  }

  async #log(): Promise<string> {
    const text = await readFile(join(this.#folder, "error.log"), "utf8").catch(() => "no log");
    return `Apache did not start: ${text}`;
  }

  #configuration(): string {
    const { tls, authentication } = this.#options;
    const login =
      authentication === "digest"
        ? `AuthType Digest\nAuthDigestProvider file\nAuthDigestDomain /`
        : `AuthType Basic\nAuthBasicProvider file`;
    return `
ServerRoot "${this.#folder}"
DefaultRuntimeDir "${this.#folder}"
PidFile "${this.#folder}/apache.pid"
ErrorLog "${this.#folder}/error.log"
CustomLog "${this.#folder}/access.log" "%r %>s %{User-Agent}i %{Referer}i"
Listen 127.0.0.1:${String(this.port)}
ServerName 127.0.0.1
${MODULES.map((name) => `LoadModule ${name}_module "${MODULES_FOLDER}/mod_${name}.so"`).join("\n")}
${process.getuid?.() === 0 ? "User www-data\nGroup www-data" : ""}
DocumentRoot "${this.files}"
DavLockDB "${this.#folder}/locks/db"
KeepAliveTimeout 5
MaxKeepAliveRequests 0
${tls ? `SSLEngine on\nSSLCertificateFile "${this.certificate.certificatePath}"\nSSLCertificateKeyFile "${this.certificate.keyPath}"` : ""}
<Directory "/">
  Require all denied
</Directory>
<Directory "${this.files}">
  Dav On
  Options None
  AllowOverride None
  AuthName "${REALM}"
  ${login}
  AuthUserFile "${this.#folder}/users"
  AuthzSendForbiddenOnFailure On
  Require valid-user
</Directory>
<Directory "${this.files}/denied">
  Require user nobody
</Directory>
<Directory "${this.files}/readonly">
  <LimitExcept GET HEAD OPTIONS PROPFIND>
    Require user nobody
  </LimitExcept>
</Directory>
`;
  }
}

async function own(path: string): Promise<void> {
  if (process.getuid?.() !== 0) return;
  const id = (flag: string): number => Number(execFileSync("id", [flag, "www-data"], { encoding: "utf8" }));
  await chown(path, id("-u"), id("-g"));
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect({ port, host: "127.0.0.1" });
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = address !== null && typeof address === "object" ? address.port : 0;
  server.close();
  await once(server, "close");
  return port;
}

function apachePath(): string | undefined {
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin"];
  return folders.map((folder) => join(folder, "apache2")).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function findMissing(): string | false {
  if (apachePath() === undefined) return "apache2 is missing (Debian package apache2-bin)";
  const absent = MODULES.find((name) => !existsSync(join(MODULES_FOLDER, `mod_${name}.so`)));
  return absent === undefined ? false : `Apache's module ${absent} is missing (Debian package apache2-bin)`;
}
