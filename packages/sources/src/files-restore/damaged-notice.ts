import type { AppError } from "@holdfast/kernel";
import { displayPath, joinPath } from "../restore-tree/entry-name.ts";
import type { EntryPlace } from "../restore-tree/outcome.ts";
import type { Notice } from "./messages.ts";

/** A file that was left out because its data is damaged or missing. */
export function damagedNotice(place: EntryPlace, error: AppError): Notice {
  const path = joinPath(place.folder, place.name);
  return {
    path,
    code: "ERR_DAMAGED",
    message: `${displayPath(path)}: left out, because its data is damaged. ${error.message}`,
  };
}
