/**
 * What an estimate means for a value from which a key is made: how long somebody guesses at it who has a storage, or the
 * database, and many machines.
 *
 * @module
 */
import { AppError } from "@holdfast/kernel";
import type { SecretWarning, StrengthView } from "@holdfast/protocol";
import type { EstimateText } from "./strength-thread.ts";

/**
 * Of Argon2id with 64 MiB and 3 passes, which one processor core does three times a second: some dozens of graphics cards, or
 * some thousand rented cores.
 */
const GUESSES_PER_SECOND = 10_000;
/** Guessed within two minutes. */
const HOPELESS_LOG10 = 6;
/** Guessed within 300 years; machines become faster. */
const GOOD_LOG10 = 14;
const SECONDS_MAX = 1e15;

/** @throws AppError `ERR_TOO_MANY_ATTEMPTS`, `ERR_INTERNAL`. */
export async function strengthOf(estimate: EstimateText, text: string): Promise<StrengthView> {
  const { guessesLog10, score, warning, suggestions } = await estimate(text.normalize("NFC"));
  return {
    guessesLog10: Math.round(guessesLog10 * 10) / 10,
    secondsToGuess: Math.min(SECONDS_MAX, Math.round(10 ** guessesLog10 / GUESSES_PER_SECOND)),
    score,
    verdict: guessesLog10 < HOPELESS_LOG10 ? "hopeless" : guessesLog10 < GOOD_LOG10 ? "weak" : "good",
    warning: warning === "" ? null : warning,
    suggestions: [...suggestions],
  };
}

/**
 * What is to be said of a value that protects keys.
 *
 * @param what at the beginning of a sentence.
 * @throws AppError `ERR_PASSWORD_WEAK` for the hopeless.
 */
export function warningsOfKey(strength: StrengthView, what: string): SecretWarning[] {
  if (strength.verdict === "good") return [];
  const message = `${what} is guessed in about ${durationText(strength.secondsToGuess)} by somebody with ten thousand guesses a second.`;
  const reason = strength.warning === null ? "" : `${strength.warning} `;
  const remedy = `${reason}Let the service generate one, or take five words or more that have nothing to do with each other.`;
  if (strength.verdict === "hopeless") {
    throw new AppError("ERR_PASSWORD_WEAK", message, { subject: "value", remedy });
  }
  return [{ code: "ERR_PASSWORD_WEAK", message, remedy }];
}

const UNITS: readonly (readonly [string, number])[] = [
  ["years", 365 * 86_400],
  ["days", 86_400],
  ["hours", 3600],
  ["minutes", 60],
];

function durationText(seconds: number): string {
  const unit = UNITS.find(([, length]) => seconds >= 2 * length);
  if (unit === undefined) return seconds < 2 ? "a second" : `${String(seconds)} seconds`;
  return `${String(Math.round(seconds / unit[1]))} ${unit[0]}`;
}
