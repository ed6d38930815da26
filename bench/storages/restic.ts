/** restic with the same storage: it, too, finds what is stored already, compresses, encrypts and checks. */
import { join } from "node:path";
import type { Command } from "../measure.ts";
import { defaultCacheDirectory } from "../places.ts";
import { provideRestic } from "../programs.ts";
import type { Client, Place } from "./service.ts";

const PASSPHRASE = "correct horse battery staple";

export interface ResticStorage {
  /** As restic's `--repo` has it. */
  readonly repository: string;
  readonly env: Readonly<Record<string, string>>;
  /** Options that need files of the run's own. */
  readonly options: (scratch: string) => readonly string[];
}

/** Undefined, with a word why, when there is no restic. */
export function resticClient({ repository, env, options }: ResticStorage): Client | undefined {
  const program = tryProvideRestic();
  if (program === undefined) return undefined;
  const command = ({ scratch }: Place, ...args: readonly string[]): Command => ({
    program: program.path,
    args: ["--repo", repository, "--cache-dir", join(scratch, "cache"), ...options(scratch), ...args],
    env: { ...program.env, ...env, RESTIC_PASSWORD: PASSPHRASE },
  });
  return {
    name: "restic",
    prepare: (place) => [command(place, "init")],
    upload: (place) => command(place, "backup", place.source),
    download: (place) => command(place, "restore", "latest", "--target", place.target),
  };
}

/** Through rclone, as restic reaches what it has no driver for. */
export function resticOverRclone(remote: string, env: Readonly<Record<string, string>>): Client | undefined {
  return resticClient({ repository: `rclone:peer:${remote}`, env, options: () => [] });
}

export function resticVersion(): string | undefined {
  return tryProvideRestic()?.version;
}

function tryProvideRestic(): ReturnType<typeof provideRestic> | undefined {
  try {
    return provideRestic(defaultCacheDirectory);
  } catch (error) {
    console.error(`restic is left out: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  }
}
