/**
 * Azurite, Microsoft's own emulator of Azure Storage, as a Blob server for tests: on a free port of 127.0.0.1, with an account
 * of its own, in a temporary folder, as one process that ends with the test.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes, randomUUID } from "node:crypto";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import {
  ContainerClient,
  ContainerSASPermissions,
  generateBlobSASQueryParameters,
  SASProtocol,
  StorageSharedKeyCredential,
} from "@azure/storage-blob";
import { scratchFolder } from "../scratch-folder.ts";
import { type Certificate, makeCertificates } from "./certificates.ts";

const START_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 5000;
const HOUR_MS = 60 * 60 * 1000;

export interface AzureServerOptions {
  readonly tls?: boolean;
  /** Base64; a new one by default. With the same one, a SAS of one server is good for the other too. */
  readonly accountKey?: string;
}

export interface AzureServer extends AsyncDisposable {
  readonly port: number;
  readonly account: string;
  /** What a request is signed with; {@link replaceKey} makes another one. */
  readonly accountKey: string;
  readonly authority: Certificate;
  readonly certificate: Certificate;
  /** Through another port of this machine when given. */
  endpoint(port?: number): string;
  /** For what a test does past the driver. */
  container(name: string): ContainerClient;
  makeContainer(name?: string): Promise<string>;
  /** A shared access signature for a container. @param rights letters such as `rwdlc`. */
  sas(container: string, rights: string, expiresMs?: number): string;
  /** At once; what it has answered for is kept, see azurite-crash.ts. */
  kill(): Promise<void>;
  start(): Promise<void>;
  /** Starts the server again with another key. */
  replaceKey(): Promise<void>;
}

export async function startAzureServer(options: AzureServerOptions = {}): Promise<AzureServer> {
  const scratch = await scratchFolder();
  const server = new Azurite(scratch.path, options, await freePort(), async () => {
    await scratch[Symbol.asyncDispose]();
  });
  try {
    await server.start();
    return server;
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw error;
  }
}

class Azurite implements AzureServer {
  readonly port: number;
  readonly account = "holdfasttest";
  accountKey: string;
  readonly authority: Certificate;
  readonly certificate: Certificate;
  readonly #folder: string;
  readonly #tls: boolean;
  readonly #remove: () => Promise<void>;
  #child: ChildProcess | undefined;

  constructor(folder: string, options: AzureServerOptions, port: number, remove: () => Promise<void>) {
    this.port = port;
    this.#folder = folder;
    this.#tls = options.tls === true;
    this.accountKey = options.accountKey ?? newKey();
    this.#remove = remove;
    ({ authority: this.authority, server: this.certificate } = makeCertificates(folder));
  }

  endpoint(port = this.port): string {
    return `${this.#tls ? "https" : "http"}://127.0.0.1:${String(port)}/${this.account}`;
  }

  container(name: string): ContainerClient {
    // Not among the declared options, but passed on to the client that makes the connections.
    const options = { tlsOptions: { ca: this.authority.pem }, retryOptions: { maxTries: 1 } };
    return new ContainerClient(`${this.endpoint()}/${name}`, this.#credential(), options);
  }

  async makeContainer(name = `c-${randomUUID()}`): Promise<string> {
    await this.container(name).create();
    return name;
  }

  sas(container: string, rights: string, expiresMs = Date.now() + HOUR_MS): string {
    const values = {
      containerName: container,
      permissions: ContainerSASPermissions.parse(rights),
      protocol: SASProtocol.HttpsAndHttp,
      startsOn: new Date(expiresMs - 2 * HOUR_MS),
      expiresOn: new Date(expiresMs),
    };
    return generateBlobSASQueryParameters(values, this.#credential()).toString();
  }

  async start(): Promise<void> {
    const { certificatePath, keyPath } = this.certificate;
    const child = spawn(
      process.execPath,
      [
        `--import=${import.meta.resolve("./azurite-crash.ts")}`,
        fileURLToPath(import.meta.resolve("azurite/dist/src/blob/main.js")),
        "--blobHost=127.0.0.1",
        `--blobPort=${String(this.port)}`,
        `--location=${this.#folder}`,
        "--skipApiVersionCheck",
        "--disableTelemetry",
        "--silent",
        ...(this.#tls ? [`--cert=${certificatePath}`, `--key=${keyPath}`] : []),
      ],
      {
        cwd: this.#folder,
        stdio: ["ignore", "ignore", "inherit"],
        env: { ...process.env, AZURITE_ACCOUNTS: `${this.account}:${this.accountKey}` },
      },
    );
    this.#child = child;
    process.once("exit", this.#killNow);
    const endMs = performance.now() + START_TIMEOUT_MS;
    while (!(await accepts(this.port))) {
      if (child.exitCode !== null || performance.now() > endMs) throw new Error("Azurite did not start.");
      await sleep(50);
    }
  }

  async kill(): Promise<void> {
    await this.#stop("SIGUSR2");
  }

  async replaceKey(): Promise<void> {
    await this.#stop("SIGTERM");
    this.accountKey = newKey();
    await this.start();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stop("SIGTERM");
    await this.#remove();
  }

  #credential(): StorageSharedKeyCredential {
    return new StorageSharedKeyCredential(this.account, this.accountKey);
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
}

function newKey(): string {
  return randomBytes(64).toString("base64");
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
