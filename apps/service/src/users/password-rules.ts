import { AppError } from "@holdfast/kernel";
import { PASSWORD_CHARACTERS_MIN } from "@holdfast/protocol";

const SAME_CHARACTERS_MAX = 3;

/** @throws AppError `ERR_PASSWORD_WEAK`. */
export function checkPassword(name: string, password: string): void {
  const characters = Array.from(password.normalize("NFC"));
  if (characters.length < PASSWORD_CHARACTERS_MIN) {
    throw weak(`has less than ${String(PASSWORD_CHARACTERS_MIN)} characters`);
  }
  const plain = password.toLowerCase();
  const [local = name] = name.split("@");
  const remainder = plain.replaceAll(name, "").replaceAll(local, "");
  if (remainder.length < PASSWORD_CHARACTERS_MIN / 2) throw weak("is little more than the name");
  if (new Set(characters).size <= SAME_CHARACTERS_MAX) throw weak("repeats the same few characters");
}

function weak(reason: string): AppError {
  return new AppError("ERR_PASSWORD_WEAK", `The password ${reason}.`, {
    remedy: "Choose a longer one: several words that do not belong together are good.",
  });
}
