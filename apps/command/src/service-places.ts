/**
 * Where the service keeps what is its own.
 *
 * @module
 */
import { homedir } from "node:os";
import { join } from "node:path";
import type { GivenOptions } from "./given-options.ts";

export interface ServicePlaces {
  readonly data: string;
  readonly unlockFile: string;
  /** Path or URL, for `openDatabase`. */
  readonly database: string;
  /** The file of SQLite; undefined for PostgreSQL. */
  readonly databaseFile: string | undefined;
}

/** As given by `--data`, `--unlock-file` and `--database`; else root's places, or the user's (XDG Base Directory Specification). */
export function servicePlaces(options: GivenOptions): ServicePlaces {
  const standard = standardPlaces();
  const data = options.text("data") ?? standard.data;
  const database = options.text("database") ?? `sqlite:${join(data, "holdfast.sqlite")}`;
  return {
    data,
    unlockFile: options.text("unlockFile") ?? standard.unlockFile,
    database,
    databaseFile: /^postgres(?:ql)?:/u.test(database) ? undefined : database.replace(/^sqlite:/u, ""),
  };
}

function standardPlaces(): { readonly data: string; readonly unlockFile: string } {
  if (process.getuid?.() === 0) return { data: "/var/lib/holdfast", unlockFile: "/etc/holdfast/unlock.key" };
  const { XDG_DATA_HOME: data = "", XDG_CONFIG_HOME: config = "" } = process.env;
  return {
    data: join(data === "" ? join(homedir(), ".local", "share") : data, "holdfast"),
    unlockFile: join(config === "" ? join(homedir(), ".config") : config, "holdfast", "unlock.key"),
  };
}
