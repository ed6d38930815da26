/**
 * Mail over SMTP (RFC 5321), never without TLS: from the first byte, or by STARTTLS (RFC 3207) before anything is said.
 *
 * @module
 */
import { AppError, errorCode } from "@holdfast/kernel";
import type { ChannelSettings } from "@holdfast/protocol";
import { createTransport, type SMTPSentMessageInfo, type Transporter } from "nodemailer";
import { outboundFailure } from "../outbound/failures.ts";
import type { Outbound } from "../outbound/outbound.ts";
import { htmlOf, type Message, plainLine, plainTextOf, titleOf } from "./message.ts";

type Mailer = Transporter<SMTPSentMessageInfo>;
export type MailSettings = Extract<ChannelSettings, { kind: "mail" }>;

const TIMEOUT_MS = 20_000;
const ANSWER_MAX = 200;

/**
 * @returns what is to be noted: recipients that were refused while others were not.
 * @throws AppError `ERR_OUTBOUND_REFUSED`, `ERR_OUTBOUND_FAILED`, `ERR_DELIVERY_REFUSED`.
 */
export async function sendMail(
  outbound: Outbound,
  settings: MailSettings,
  password: string | undefined,
  message: Message,
): Promise<string | undefined> {
  const { host, from, to } = settings;
  const sent = await withServer(outbound, settings, password, (transport) =>
    transport.sendMail({
      from: { name: "Holdfast", address: from },
      to: [...to],
      subject: titleOf(message),
      text: plainTextOf(message),
      html: htmlOf(message),
      messageId: `<${message.id}@${from.slice(from.lastIndexOf("@") + 1)}>`,
      date: new Date(message.at),
      headers: { "Auto-Submitted": "auto-generated" },
    }),
  );
  return sent.rejected.length === 0 ? undefined : `Refused by ${host}: ${sent.rejected.join(", ")}.`;
}

/** Signs in and sends nothing. @throws AppError as {@link sendMail}. */
export async function signInToMail(
  outbound: Outbound,
  settings: MailSettings,
  password: string,
): Promise<void> {
  await withServer(outbound, settings, password, (transport) => transport.verify());
}

async function withServer<T>(
  outbound: Outbound,
  { host, port, encryption, user }: MailSettings,
  password: string | undefined,
  work: (transport: Mailer) => Promise<T>,
): Promise<T> {
  const socket = await outbound.connect({ host, port, timeoutMs: TIMEOUT_MS });
  // A library that gives up leaves the socket to whoever opened it.
  const late = setTimeout(() => socket.destroy(timeout()), 2 * TIMEOUT_MS);
  try {
    const ca = await outbound.authorities();
    return await work(
      createTransport({
        host,
        port,
        connection: socket,
        secure: encryption === "tls",
        requireTLS: true,
        tls: { minVersion: "TLSv1.2", ...(ca === undefined ? {} : { ca: [...ca] }) },
        ...(user === null ? {} : { auth: { user, pass: password ?? "" } }),
        greetingTimeout: TIMEOUT_MS,
        socketTimeout: TIMEOUT_MS,
        disableFileAccess: true,
        disableUrlAccess: true,
      }),
    );
  } catch (error) {
    throw mailFailure(`${host}:${String(port)}`, error);
  } finally {
    clearTimeout(late);
    socket.destroy();
  }
}

function timeout(): Error {
  return Object.assign(new Error("no answer"), { code: "ETIMEDOUT" });
}

const AT_FAULT = [
  "Check the user and the password of the channel.",
  "Check the addresses of the channel.",
] as const;

/** The server's answer is told, but not to a password: it might repeat it. */
function mailFailure(server: string, error: unknown): AppError {
  const { code, response } = fieldsOf(error);
  if (code === "EAUTH") {
    return new AppError("ERR_DELIVERY_REFUSED", `The mail server ${server} refused user or password.`, {
      subject: server,
      remedy: AT_FAULT[0],
    });
  }
  if (response === undefined) return outboundFailure(server, rootOf(error));
  const answer = plainLine(response, ANSWER_MAX);
  return new AppError("ERR_DELIVERY_REFUSED", `The mail server ${server} did not take the mail: ${answer}`, {
    subject: server,
    remedy: AT_FAULT[1],
  });
}

function fieldsOf(error: unknown): { code: string | undefined; response: string | undefined } {
  const code = errorCode(error);
  if (!(error instanceof Error) || !("response" in error)) return { code, response: undefined };
  return { code, response: typeof error.response === "string" ? error.response : undefined };
}

/** The library puts its own code over the one of TLS or of the socket. */
function rootOf(error: unknown): unknown {
  return error instanceof Error && error.cause !== undefined ? error.cause : error;
}
