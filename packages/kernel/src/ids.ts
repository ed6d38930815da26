/**
 * Names for rows and runs: a kind, an underscore, and a ULID in small letters. ULIDs of one kind sort by time of birth,
 * to the millisecond; their 80 random bits make them unguessable enough for names, not for secrets.
 *
 * Source: the ULID specification (github.com/ulid/spec).
 *
 * @module
 */
import { type Clock, type Randomness, systemClock, systemRandomness } from "./ports.ts";

const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";
const TIME_CHARACTERS = 10;
const RANDOM_CHARACTERS = 16;

/** Of an id without its kind. */
export const ULID_PATTERN = `[0-7][0-9a-hjkmnp-tv-z]{${String(TIME_CHARACTERS + RANDOM_CHARACTERS - 1)}}`;

/** @param kind a few small letters, such as `plan`. */
export function newId(
  kind: string,
  clock: Pick<Clock, "now"> = systemClock,
  randomness: Randomness = systemRandomness,
): string {
  let time = clock.now();
  let text = "";
  for (let index = 0; index < TIME_CHARACTERS; index += 1) {
    text = ALPHABET.charAt(time % 32) + text;
    time = Math.floor(time / 32);
  }
  for (const byte of randomness(new Uint8Array(RANDOM_CHARACTERS))) text += ALPHABET.charAt(byte & 31);
  return `${kind}_${text}`;
}
