/**
 * Makes this machine a device of a service (docs/protocol.md, section 2).
 *
 * @module
 */
import { X509Certificate } from "node:crypto";
import process from "node:process";
import { AppError } from "@holdfast/kernel";
import { type EnrollAnswer, enrollAnswer, type EnrollRequest, parseEnrolmentCode } from "@holdfast/protocol";
import { pinnedAuthority } from "../connection/authority-chain.ts";
import { openTrustedSocket, type Route } from "../connection/open-socket.ts";
import { postEnrolment } from "./post-enrolment.ts";
import { parseProxy, parseServiceUrl, proxyFromEnvironment } from "../connection/service-address.ts";
import { certificateRequest, matchesKey, newDeviceKey } from "../identity/certificate-request.ts";
import { isEnrolled, writeIdentity } from "../identity/identity.ts";
import { type AgentPlatform, currentPlatform, defaultStateDir } from "../platform/platform.ts";
import { lockFolder } from "../state/folder-lock.ts";
import { openStateFolder } from "../state/state-folder.ts";

export interface EnrolOptions {
  /** `https://HOST:PORT`. */
  readonly service: string;
  /** As the service showed it. It is used up by the attempt that succeeds. */
  readonly code: string;
  /** Default: `defaultStateDir()`. */
  readonly stateDir?: string;
  /** What the service calls the device. Default: the machine's name. */
  readonly name?: string;
  /** `http://HOST:PORT`, kept for the agent's runs. Default: `HTTPS_PROXY` and `NO_PROXY`, asked at each run. */
  readonly proxy?: string;
  readonly signal?: AbortSignal;
  readonly platform?: AgentPlatform;
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

export interface Enrolled {
  readonly device: string;
  readonly stateDir: string;
}

const NAME_LENGTH_MAX = 200;

/**
 * Enrolls this machine.
 *
 * @throws AppError `ERR_ENROLMENT_CODE` (mistyped, wrong, used or expired), `ERR_SERVICE_UNTRUSTED` (whoever answers did not
 * make the code), `ERR_SERVICE_UNREACHABLE`, `ERR_AGENT_STATE` (also when the folder has an identity already),
 * `ERR_AGENT_RUNNING`, `ERR_USAGE`.
 */
export async function enroll(options: EnrolOptions): Promise<Enrolled> {
  const { platform = currentPlatform(), signal = new AbortController().signal } = options;
  const stateDir = options.stateDir ?? defaultStateDir(platform);
  // The code comes first: a typing error is told before anything is made or asked.
  const { secret, pin } = parseEnrolmentCode(options.code);
  const route = routeTo(options.service, options.proxy, options.environment ?? process.env);
  const folder = await openStateFolder(stateDir, { create: true, hasModes: platform.module.hasModes });
  using _ = lockFolder(stateDir);
  if (await isEnrolled(folder)) throw enrolledAlready(stateDir);
  const authority = await pinnedAuthority(route, pin, signal);
  const privateKey = newDeviceKey();
  const request: EnrollRequest = {
    secret: secret.toString("base64"),
    certificateRequest: certificateRequest(privateKey).toString("base64"),
    name: nameOf(options.name ?? platform.description.hostname),
    platform: platform.description,
  };
  const socket = await openTrustedSocket(route, { authority }, signal);
  const answer = enrollAnswer.safeParse(await postEnrolment(socket, route.service, request, signal));
  if (!answer.success) throw unusableAnswer(route);
  checkAnswer(answer.data, authority, privateKey, route);
  const { device, certificate } = answer.data;
  const { service } = options;
  await writeIdentity(folder, { service, proxy: options.proxy, device, authority, certificate, privateKey });
  return { device, stateDir };
}

/** @throws AppError `ERR_USAGE`. */
export function routeTo(
  service: string,
  proxy: string | undefined,
  environment: Readonly<Record<string, string | undefined>>,
): Route {
  const address = parseServiceUrl(service);
  const way = proxy ?? proxyFromEnvironment(address, environment);
  return { service: address, proxy: way === undefined ? undefined : parseProxy(way) };
}

function nameOf(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, " ").slice(0, NAME_LENGTH_MAX);
}

/** The service has proved to be the right one; this finds its faults before they are written down. */
function checkAnswer(answer: EnrollAnswer, authority: string, privateKey: string, route: Route): void {
  if (!isOurs(answer, authority, privateKey)) throw unusableAnswer(route);
}

function isOurs(
  { certificate, authority: named }: EnrollAnswer,
  authority: string,
  privateKey: string,
): boolean {
  try {
    const issuer = new X509Certificate(authority);
    const own = new X509Certificate(certificate);
    return (
      issuer.raw.equals(new X509Certificate(named).raw) &&
      matchesKey(own, privateKey) &&
      own.verify(issuer.publicKey)
    );
  } catch {
    return false;
  }
}

function unusableAnswer({ service: { origin } }: Route): AppError {
  return new AppError(
    "ERR_PROTOCOL",
    `The service at ${origin} answered with something that is no enrolment.`,
    {
      subject: origin,
      remedy: "Use an agent and a service of the same version.",
    },
  );
}

function enrolledAlready(stateDir: string): AppError {
  return new AppError("ERR_AGENT_STATE", `${stateDir} has the identity of an enrolled device.`, {
    subject: stateDir,
    remedy:
      "To enroll it anew, remove the device in the service, empty this folder, and ask for another code.",
  });
}
