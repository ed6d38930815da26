import { connect } from "node:net";
import { errorCode } from "@holdfast/kernel";
import { unreachableServer } from "./failures.ts";
import type { SmbLocation } from "./smb-location.ts";

const TIMEOUT_MS = 5000;

/** @throws AppError `ERR_STORAGE_UNREACHABLE` or `ERR_STORAGE_TIMEOUT` unless something answers at the server's port. */
export async function findServer(where: SmbLocation, location: string, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const host = where.host.replace(/^\[(.*)\]$/u, "$1");
  const socket = connect({ host, port: where.port });
  socket.setTimeout(TIMEOUT_MS);
  const give = (name: string): void => {
    reject(unreachableServer(location, name));
  };
  socket.once("connect", () => {
    resolve();
  });
  socket.once("timeout", () => {
    give("ETIMEDOUT");
  });
  socket.once("error", (error) => {
    give(errorCode(error) ?? "EHOSTUNREACH");
  });
  const aborted = (): void => {
    give("ETIMEDOUT");
  };
  signal.addEventListener("abort", aborted, { once: true });
  try {
    await promise;
  } finally {
    signal.removeEventListener("abort", aborted);
    socket.destroy();
  }
}
