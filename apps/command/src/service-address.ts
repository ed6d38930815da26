import { AppError } from "@holdfast/kernel";

export interface ListenAddress {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
}

const PORT_MAX = 65_535;

/** `HOST:PORT`, `[::1]:PORT`. @throws AppError `ERR_USAGE`. */
export function parseListen(text: string): ListenAddress {
  const match = /^(?:\[(?<six>[0-9a-fA-F:.]+)\]|(?<host>[^:[\]\s]+)):(?<port>\d{1,5})$/u.exec(text);
  const host = match?.groups?.["six"] ?? match?.groups?.["host"];
  const port = Number(match?.groups?.["port"]);
  if (host !== undefined && port <= PORT_MAX) return { host, port };
  throw new AppError("ERR_USAGE", `${text} is no address to listen on.`, {
    subject: "--listen",
    remedy: "Write HOST:PORT, such as 0.0.0.0:8443 for all addresses of this machine.",
  });
}
