/**
 * The one HTTP request that an agent makes.
 *
 * @module
 */
import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import type { TLSSocket } from "node:tls";
import { AppError, ERROR_CODES, type ErrorCode } from "@holdfast/kernel";
import { ENROLL_PATH, type EnrollRequest } from "@holdfast/protocol";
import { z } from "zod";
import type { ServiceAddress } from "../connection/service-address.ts";

const ANSWER_BYTES_MAX = 64 * 1024;
const ANSWER_MS = 30_000;

/** What an agent reads of problem details (RFC 9457). */
const problem = z.object({
  code: z.string().refine((code): code is ErrorCode => Object.hasOwn(ERROR_CODES, code)),
  detail: z.string().max(4000).optional(),
  remedy: z.string().max(4000).optional(),
});

/**
 * Takes the socket over, and closes it.
 *
 * @returns the body of the answer, which nobody has checked yet.
 * @throws AppError the service's own refusal, such as `ERR_ENROLMENT_CODE`; `ERR_SERVICE_UNREACHABLE`, `ERR_PROTOCOL`.
 */
export async function postEnrolment(
  socket: TLSSocket,
  service: ServiceAddress,
  body: EnrollRequest,
  signal: AbortSignal,
): Promise<unknown> {
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]);
  try {
    const { status, text } = await exchange(socket, service, JSON.stringify(body), deadline);
    const answer = parseJson(text);
    if (status >= 200 && status < 300) return answer;
    throw refusal(status, answer, service);
  } catch (error) {
    if (error instanceof AppError) throw error;
    if (signal.aborted) throw new AppError("ERR_CANCELLED", "The enrolment was stopped.");
    throw new AppError(
      "ERR_SERVICE_UNREACHABLE",
      `The service at ${service.origin} did not answer the enrolment.`,
      {
        subject: service.origin,
        remedy:
          "Try again; if the device shows up in the service meanwhile, remove it there and ask for another code.",
        cause: error,
      },
    );
  } finally {
    socket.destroy();
  }
}

interface Exchange {
  readonly status: number;
  readonly text: string;
}

async function exchange(
  socket: TLSSocket,
  { origin }: ServiceAddress,
  body: string,
  signal: AbortSignal,
): Promise<Exchange> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const asked = request(new URL(ENROLL_PATH, origin), {
      method: "POST",
      createConnection: () => socket,
      headers: {
        "content-type": "application/json",
        "content-length": Buffer.byteLength(body),
        connection: "close",
      },
      signal,
    });
    asked.once("response", resolve).once("error", reject);
    asked.end(body);
  });
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of response) {
    if (!Buffer.isBuffer(part)) throw new Error("the answer is no bytes");
    length += part.length;
    if (length > ANSWER_BYTES_MAX) throw new Error("the answer is too long");
    parts.push(part);
  }
  return { status: response.statusCode ?? 0, text: Buffer.concat(parts).toString("utf8") };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function refusal(status: number, answer: unknown, { origin }: ServiceAddress): AppError {
  const parsed = problem.safeParse(answer);
  if (!parsed.success) {
    return new AppError(
      "ERR_PROTOCOL",
      `The service at ${origin} answered ${String(status)} to the enrolment.`,
      {
        subject: origin,
        remedy: "Check that the address is the service's own, and that it runs the same version.",
      },
    );
  }
  const { code, detail, remedy } = parsed.data;
  return new AppError(code, detail ?? `The service at ${origin} refused the enrolment.`, {
    subject: origin,
    ...(remedy === undefined ? {} : { remedy }),
  });
}
