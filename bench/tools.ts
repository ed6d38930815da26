/** How each program does the same things: make a repository, back up, restore the newest copy, verify with data. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "./measure.ts";
import { repositoryRoot } from "./places.ts";
import { type Program, provideBorg, provideRestic } from "./programs.ts";

/** Folders of one run. The cache is the tool's own and starts empty. */
export interface Place {
  readonly source: string;
  readonly repository: string;
  readonly cache: string;
  readonly target: string;
}

export interface Tool {
  readonly name: ToolName;
  readonly version: string;
  /** Folders with the program's own files, read before measuring: only data is to be cold. */
  readonly programFolders: readonly string[];
  /** A command that does nothing but load the program: run before measuring, for the same reason. */
  warmUp(place: Place): Command;
  initialize(place: Place): Command;
  /** `label` is unique within the repository. */
  backUp(place: Place, label: string): Command;
  /** Restores the copy with `label`, the newest one, into `place.target`, until the disk has it. */
  restore(place: Place, label: string): Command;
  verify(place: Place): Command;
}

export const toolNames = ["holdfast", "holdfast-cbc", "holdfast-none", "restic", "borg"] as const;
export type ToolName = (typeof toolNames)[number];

/** What `holdfast` loads or looks at: its bundle with what was compiled of it, its sources, and packages that it uses. */
const PROGRAM_FOLDERS = [
  "packages",
  "apps",
  ...["koffi", "@koromix", "commander", "picomatch"].map((name) => `node_modules/${name}`),
];
const PASSPHRASE = "correct horse battery staple";

/** The tool, or undefined (with a word why) when it is not to be had here. */
export function provideTool(name: ToolName, cacheDirectory: string): Tool | undefined {
  try {
    return providers[name](cacheDirectory);
  } catch (error) {
    console.error(`${name} is left out: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  }
}

const providers: Readonly<Record<ToolName, (cacheDirectory: string) => Tool>> = {
  holdfast: () => holdfast("holdfast", ["--method", "gcm", "--level", "high"]),
  "holdfast-cbc": () => holdfast("holdfast-cbc", ["--method", "cbc", "--level", "high"]),
  "holdfast-none": () => holdfast("holdfast-none", ["--no-encryption"]),
  restic: (cacheDirectory) => restic(provideRestic(cacheDirectory)),
  borg: (cacheDirectory) => borg(provideBorg(cacheDirectory)),
};

function holdfast(name: ToolName, initOptions: readonly string[]): Tool {
  const program = join(repositoryRoot, "holdfast");
  if (!existsSync(program)) throw new Error(`${program} does not exist`);
  const encrypted = !initOptions.includes("--no-encryption");
  const command = (place: Place, ...args: readonly string[]): Command => ({
    program,
    args,
    env: {
      ...(encrypted ? { HOLDFAST_KEY: PASSPHRASE } : {}),
      HOLDFAST_CACHE: place.cache,
      XDG_CACHE_HOME: place.cache,
    },
  });
  return {
    name,
    version: "this tree",
    programFolders: PROGRAM_FOLDERS.map((path) => join(repositoryRoot, path)),
    warmUp: (place) => command(place, "--help"),
    initialize: (place) => command(place, "init", place.repository, ...initOptions),
    backUp: (place) => command(place, "backup", place.repository, place.source),
    restore: (place) => command(place, "restore", place.repository, "latest", "--target", place.target),
    verify: (place) => command(place, "verify", place.repository, "--read-data"),
  };
}

function restic(program: Program): Tool {
  const command = (place: Place, ...args: readonly string[]): Command => ({
    program: program.path,
    args: ["--repo", place.repository, "--cache-dir", place.cache, ...args],
    env: { ...program.env, RESTIC_PASSWORD: PASSPHRASE },
  });
  return {
    name: "restic",
    version: `${program.version} (${program.origin})`,
    programFolders: program.folders,
    warmUp: (place) => command(place, "version"),
    initialize: (place) => command(place, "init"),
    backUp: (place) => command(place, "backup", place.source),
    restore: (place) => untilOnDisk(command(place, "restore", "latest", "--target", place.target), place),
    verify: (place) => command(place, "check", "--read-data"),
  };
}

function borg(program: Program): Tool {
  const command = (place: Place, ...args: readonly string[]): Command => ({
    program: program.path,
    args,
    env: { ...program.env, BORG_PASSPHRASE: PASSPHRASE, BORG_BASE_DIR: place.cache },
  });
  return {
    name: "borg",
    version: `${program.version} (${program.origin})`,
    programFolders: program.folders,
    warmUp: (place) => command(place, "--version"),
    initialize: (place) => command(place, "init", "--encryption", "repokey-blake2", place.repository),
    backUp: (place, label) =>
      command(place, "create", "--compression", "zstd,3", `${place.repository}::${label}`, place.source),
    restore: (place, label) => {
      const extract = command(place, "extract", `${place.repository}::${label}`);
      return untilOnDisk({ ...extract, cwd: place.target }, place);
    },
    verify: (place) => command(place, "check", "--verify-data", place.repository),
  };
}

/**
 * The command, and then a sync of the file system restored into: Holdfast's restores end with one, and the peers' leave
 * what they wrote in the page cache.
 */
function untilOnDisk({ program, args, ...rest }: Command, { target }: Place): Command {
  const script = 'target=$1; shift; "$@" && sync --file-system "$target"';
  return { program: "sh", args: ["-c", script, "sh", target, program, ...args], ...rest };
}
