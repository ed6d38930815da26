/**
 * Where the service is, and the proxy on the way to it.
 *
 * @module
 */
import { isIP } from "node:net";
import { AppError } from "@holdfast/kernel";

const HTTPS_PORT = 443;
const PROXY_PORT = 8080;

export interface ServiceAddress {
  readonly host: string;
  readonly port: number;
  /** Without a path, for messages and the Host header. */
  readonly origin: string;
}

export interface ProxyAddress {
  readonly host: string;
  readonly port: number;
  /** Value of `Proxy-Authorization`: a secret. */
  readonly authorization: string | undefined;
}

/** @throws AppError `ERR_USAGE`. */
export function parseServiceUrl(text: string): ServiceAddress {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== "https:" || url.username !== "" || url.password !== "" || url.pathname !== "/") {
    throw new AppError("ERR_USAGE", "The address of the service cannot be used.", {
      remedy: "Give it as https://HOST:PORT, as the service shows it with the code.",
    });
  }
  return { host: bare(url.hostname), port: Number(url.port || HTTPS_PORT), origin: url.origin };
}

/** @throws AppError `ERR_USAGE`. The text may hold a password, so that no message repeats it. */
export function parseProxy(text: string): ProxyAddress {
  const full = text.includes("://") ? text : `http://${text}`;
  const url = URL.canParse(full) ? new URL(full) : undefined;
  if (url?.protocol !== "http:" || url.hostname === "") {
    throw new AppError("ERR_USAGE", "The address of the proxy cannot be used.", {
      remedy: "Give it as http://HOST:PORT. What goes through it is encrypted all the same.",
    });
  }
  const { username, password } = url;
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return {
    host: bare(url.hostname),
    port: Number(url.port || PROXY_PORT),
    authorization: username === "" ? undefined : `Basic ${Buffer.from(credentials).toString("base64")}`,
  };
}

/** `HTTPS_PROXY` and `NO_PROXY`, in either case, as curl(1) takes them. */
export function proxyFromEnvironment(
  { host, port }: ServiceAddress,
  environment: Readonly<Record<string, string | undefined>>,
): string | undefined {
  const proxy = environment["https_proxy"] ?? environment["HTTPS_PROXY"] ?? "";
  const exceptions = environment["no_proxy"] ?? environment["NO_PROXY"] ?? "";
  if (proxy === "" || isExcepted(host, port, exceptions)) return undefined;
  return proxy;
}

function isExcepted(host: string, port: number, exceptions: string): boolean {
  return exceptions.split(/[\s,]+/u).some((entry) => {
    if (entry === "*") return true;
    const [, name = "", wantedPort] =
      /^(.*?)(?::(\d+))?$/u.exec(isIP(entry) === 6 ? `${entry}:` : entry) ?? [];
    const wanted = bare(name)
      .replace(/^\*?\./u, "")
      .replace(/:$/u, "")
      .toLowerCase();
    if (wanted === "" || (wantedPort !== undefined && Number(wantedPort) !== port)) return false;
    const own = host.toLowerCase();
    return own === wanted || (isIP(own) === 0 && own.endsWith(`.${wanted}`));
  });
}

/** URLs write IPv6 addresses in brackets, sockets do not. */
function bare(host: string): string {
  return host.replace(/^\[(.*)\]$/u, "$1");
}
