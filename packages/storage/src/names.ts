/**
 * Names of objects. One place decides what is a legal name, because a name becomes a path or a URL in every driver.
 *
 * @module
 */
import { AppError } from "@holdfast/kernel";

const NAME_LENGTH_MAX = 200;
const COMPONENT = /^[a-z0-9-](?:[a-z0-9.-]*[a-z0-9-])?$/;

/** First component that drivers keep for unfinished objects. */
export const TEMPORARY_FOLDER = "tmp";

/**
 * A legal name is components of `[a-z0-9.-]` joined by `/`, at most 200 characters. No component begins or ends with a
 * dot (which rules out `.` and `..`, hidden files, and what Windows cuts off) and the first is not `tmp`.
 */
export function isObjectName(name: string): boolean {
  if (name.length === 0 || name.length > NAME_LENGTH_MAX) return false;
  const components = name.split("/");
  return components[0] !== TEMPORARY_FOLDER && components.every((component) => COMPONENT.test(component));
}

/** @throws {AppError} `ERR_USAGE` unless {@link isObjectName}. */
export function checkObjectName(name: string): void {
  if (isObjectName(name)) return;
  throw new AppError(
    "ERR_USAGE",
    `${JSON.stringify(name.slice(0, NAME_LENGTH_MAX))} is no name of an object.`,
    {
      remedy: "Names are lower-case letters, digits, dots and hyphens, in folders separated by slashes.",
    },
  );
}

/** @throws {AppError} `ERR_USAGE` unless the prefix is empty or a legal name followed by a slash. */
export function checkPrefix(prefix: string): void {
  if (prefix === "" || (prefix.endsWith("/") && isObjectName(prefix.slice(0, -1)))) return;
  throw new AppError(
    "ERR_USAGE",
    `${JSON.stringify(prefix.slice(0, NAME_LENGTH_MAX))} is no folder of objects.`,
    {
      remedy: "A prefix is empty or the name of a folder with a slash at its end.",
    },
  );
}
