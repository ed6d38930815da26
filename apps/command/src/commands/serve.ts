/** `holdfast serve`: the management service, until it is told to stop; with a worker of its own. */
import { join } from "node:path";
import { AppError } from "@holdfast/kernel";
import { startService } from "@holdfast/service";
import { type CommandCall, EXIT, type Exit } from "../command-call.ts";
import { parseListen } from "../service-address.ts";
import { servicePlaces } from "../service-places.ts";
import { keepWorker } from "../service-worker.ts";
import { unlockPassphrase } from "../unlock-passphrase.ts";
import { version } from "../version.ts";

const LISTEN_DEFAULT = "127.0.0.1:8443";

export async function run(call: CommandCall): Promise<Exit> {
  const { options, output, signal } = call;
  const { data, unlockFile, database } = servicePlaces(options);
  const listen = parseListen(options.text("listen") ?? LISTEN_DEFAULT);
  const tlsCertificate = options.text("tlsCertificate");
  const tlsKey = options.text("tlsKey");
  if ((tlsCertificate === undefined) !== (tlsKey === undefined)) throw halfCertificate();
  const passphrase = options.text("unlockWith") === "passphrase" ? await unlockPassphrase(signal) : undefined;
  const service = await startService({
    dataFolder: data,
    unlockFile,
    ...(passphrase === undefined ? {} : { unlockPassphrase: passphrase }),
    database,
    listen,
    version: version(),
    // Of the service, not of the command: JSON lines, also where the result is for people.
    log: (line) => void process.stderr.write(`${line}\n`),
    ...ownAddress(options.text("ownAddress")),
    ...(tlsCertificate === undefined || tlsKey === undefined
      ? {}
      : { tls: { certificateFile: tlsCertificate, keyFile: tlsKey } }),
  }).finally(() => passphrase?.fill(0));
  try {
    output.text(`Holdfast ${version()} is at ${service.url}`);
    if (service.setupLink !== undefined) output.text(`Make the first administrator: ${service.setupLink}`);
    output.event("listening", {
      url: service.url,
      ...(service.setupLink === undefined ? {} : { setupLink: service.setupLink }),
    });
    // Whoever waits for these lines waits now.
    output.finish();
    const worker = options.isDenied("worker")
      ? undefined
      : keepWorker(service, join(data, "worker"), signal, output);
    await ended(signal);
    await worker;
  } finally {
    await service.stop();
  }
  return EXIT.done;
}

async function ended(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  signal.addEventListener("abort", () => resolve(), { once: true });
  await promise;
}

/** @throws AppError `ERR_USAGE`. */
function ownAddress(text: string | undefined): { readonly ownAddress?: string } {
  if (text === undefined) return {};
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === "https:" && url.pathname === "/" && url.username === "")
    return { ownAddress: url.origin };
  throw new AppError("ERR_USAGE", "--own-address cannot be used.", {
    subject: "--own-address",
    remedy: "Give it as https://HOST:PORT.",
  });
}

function halfCertificate(): AppError {
  return new AppError("ERR_USAGE", "--tls-certificate and --tls-key go together.", {
    remedy: "Give both files, or neither: then the service issues itself a certificate.",
  });
}
