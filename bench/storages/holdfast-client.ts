/** The command `holdfast` on a remote storage. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "../measure.ts";
import { folder, repositoryRoot } from "../places.ts";
import type { Client, Place } from "./service.ts";

const PASSPHRASE = "correct horse battery staple";

/** @param credentials what docs/storages.md says of this kind. */
export function holdfastClient(url: string, credentials: Readonly<Record<string, string>>): Client {
  const command = (place: Place, ...args: readonly string[]): Command => {
    const cache = folder(place.scratch, "cache");
    const file = join(place.scratch, "credentials.json");
    writeFileSync(file, JSON.stringify(credentials), { mode: 0o600 });
    return {
      program: join(repositoryRoot, "holdfast"),
      args,
      env: {
        HOLDFAST_KEY: PASSPHRASE,
        HOLDFAST_CACHE: cache,
        HOLDFAST_CREDENTIALS_FILE: file,
        XDG_CACHE_HOME: cache,
      },
    };
  };
  return {
    name: "holdfast",
    prepare: (place) => [command(place, "init", url, "--method", "gcm", "--level", "high")],
    upload: (place) => command(place, "backup", url, place.source),
    download: (place) => command(place, "restore", url, "latest", "--target", place.target),
  };
}
