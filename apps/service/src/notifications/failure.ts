// What is kept and shown of a delivery that failed.
import { isAppError } from "@holdfast/kernel";
import { z } from "zod";

const failure = z.object({ code: z.string(), message: z.string(), remedy: z.string().nullable() });
export type DeliveryFailure = z.infer<typeof failure>;

/** Only errors of our own are told: others may repeat what they were given, such as an address that is secret. */
export function failureOf(error: unknown): DeliveryFailure {
  if (!isAppError(error)) return { code: "ERR_FAILED", message: "It could not be sent.", remedy: null };
  return { code: error.code, message: error.message, remedy: error.remedy ?? null };
}

export function showFailure(text: string | null): DeliveryFailure | null {
  return text === null ? null : failure.parse(JSON.parse(text));
}
