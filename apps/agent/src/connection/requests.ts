/**
 * What the agent asks the service, and the answers that are still to come.
 *
 * @module
 */
import { AppError, fromErrorRecord } from "@holdfast/kernel";
import type { AgentAnswer, AgentRequest, ServiceMessage, WireError } from "@holdfast/protocol";

type Answer = Extract<ServiceMessage, { type: "answer" | "refusal" }>;

export type AnswerTo<K extends AgentRequest["kind"]> = Extract<AgentAnswer, { kind: K }>;

export function isAnswerTo<K extends AgentRequest["kind"]>(
  answer: AgentAnswer,
  kind: K,
): answer is AnswerTo<K> {
  return answer.kind === kind;
}

interface Pending {
  readonly kind: AgentRequest["kind"];
  readonly resolve: (answer: AgentAnswer) => void;
  readonly reject: (error: AppError) => void;
}

export class Requests {
  readonly #pending = new Map<number, Pending>();
  #last = 0;

  /**
   * @param send sends the request that gets this number.
   * @throws AppError the service's refusal; `ERR_SERVICE_UNREACHABLE` when the connection, or the time, ends before the
   * answer; `ERR_CANCELLED`.
   */
  async ask(
    request: AgentRequest,
    send: (id: number) => void,
    { signal, timeout }: { readonly signal: AbortSignal; readonly timeout: AbortSignal },
  ): Promise<AgentAnswer> {
    this.#last += 1;
    const id = this.#last;
    const { promise, resolve, reject } = Promise.withResolvers<AgentAnswer>();
    const abort = (): void => reject(new AppError("ERR_CANCELLED", "The request was given up."));
    const giveUp = (): void => reject(unanswered("The service did not answer in time."));
    this.#pending.set(id, { kind: request.kind, resolve, reject });
    signal.addEventListener("abort", abort, { once: true });
    timeout.addEventListener("abort", giveUp, { once: true });
    try {
      if (signal.aborted) abort();
      else send(id);
      return await promise;
    } finally {
      signal.removeEventListener("abort", abort);
      timeout.removeEventListener("abort", giveUp);
      this.#pending.delete(id);
    }
  }

  /** @returns false when it answers nothing that was asked, or something else. */
  take(message: Answer): boolean {
    const pending = this.#pending.get(message.id);
    // Given up meanwhile: the service could not know.
    if (pending === undefined) return message.id <= this.#last;
    if (message.type === "refusal") {
      pending.reject(asAppError(message.error));
      return true;
    }
    if (message.answer.kind !== pending.kind) return false;
    pending.resolve(message.answer);
    return true;
  }

  /** The connection ended: nobody will answer. */
  drop(): void {
    for (const { reject } of this.#pending.values()) {
      reject(unanswered("The connection to the service ended before it answered."));
    }
    this.#pending.clear();
  }
}

export function asAppError({ code, message, subject, remedy }: WireError): AppError {
  return fromErrorRecord({ code, message, subject, remedy });
}

function unanswered(message: string): AppError {
  return new AppError("ERR_SERVICE_UNREACHABLE", message, { remedy: "The agent asks again by itself." });
}
