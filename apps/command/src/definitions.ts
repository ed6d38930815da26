/**
 * Every command with its operands and options: what the parser, the help and docs/command.md are held against.
 *
 * @module
 */
import type { CommandModule } from "./command-call.ts";

export interface OptionDefinition {
  /** In the notation of the help: `--tag NAME`. */
  readonly flags: string;
  readonly text: string;
  /** May be given several times. */
  readonly many?: true;
  readonly choices?: readonly string[];
  /** The value is a whole number within these bounds. */
  readonly range?: { readonly min: number; readonly max: number };
}

export interface CommandDefinition {
  /** `backup`, `key add`. */
  readonly name: string;
  /** `STORAGE`, `[PATH]`, `PATH...`, `[COPY...]`. */
  readonly operands: readonly string[];
  readonly summary: string;
  readonly options: readonly OptionDefinition[];
  /** Loads the command's own module: a start loads what it runs, nothing else. */
  readonly load: () => Promise<CommandModule>;
}

const KEY_FILE: OptionDefinition = {
  flags: "--key-file FILE",
  text: "file with the key: a passphrase, or a recovery kit",
};
const CREDENTIALS: OptionDefinition = {
  flags: "--credentials FILE",
  text: "file with the credentials of the storage",
};
const NEW_KEY_FILE: OptionDefinition = {
  flags: "--new-key-file FILE",
  text: "file with the new passphrase; without it, it is asked for twice",
};
const DRY_RUN: OptionDefinition = { flags: "--dry-run", text: "only say what would be done" };
const WORKERS: OptionDefinition = {
  flags: "--workers N",
  text: "threads that work at the same time",
  range: { min: 1, max: 64 },
};

const SERVICE_DATA: OptionDefinition = { flags: "--data DIR", text: "where the service keeps its data" };
const SERVICE_DATABASE: OptionDefinition = {
  flags: "--database URL",
  text: "postgres://..., or sqlite:FILE; without it SQLite in the data folder",
};
const UNLOCK_FILE: OptionDefinition = {
  flags: "--unlock-file FILE",
  text: "what opens the service's vault; made by its first start, outside the data folder",
};
const UNLOCK_WITH: OptionDefinition = {
  flags: "--unlock-with WAY",
  text: "file, or passphrase: asked for, or the systemd credential holdfast-unlock; without it file",
  choices: ["file", "passphrase"],
};
const AGENT_STATE: OptionDefinition = { flags: "--state DIR", text: "where the agent keeps its identity" };

/** Options that every command has. */
export const COMMON_OPTIONS: readonly OptionDefinition[] = [
  { flags: "--json", text: "one JSON object a line, for programs" },
  { flags: "--verbose", text: "with an error, everything that led to it" },
];

function keepRule(period: string, text: string): OptionDefinition {
  return { flags: `--keep-${period} N`, text, range: { min: 1, max: 100_000 } };
}

export const COMMANDS: readonly CommandDefinition[] = [
  {
    name: "init",
    operands: ["STORAGE"],
    summary: "make a repository",
    options: [
      KEY_FILE,
      CREDENTIALS,
      { flags: "--method METHOD", text: "how data is encrypted", choices: ["gcm", "cbc"] },
      { flags: "--level LEVEL", text: "key of 128, 192 or 256 bits", choices: ["low", "normal", "high"] },
      { flags: "--no-encryption", text: "make a repository that everybody can read" },
    ],
    load: () => import("./commands/init.ts"),
  },
  {
    name: "backup",
    operands: ["STORAGE", "[PATH...]"],
    summary: "make a copy of files and folders",
    options: [
      KEY_FILE,
      CREDENTIALS,
      { flags: "--exclude GLOB", text: "leave out what the pattern names", many: true },
      { flags: "--exclude-file FILE", text: "leave out what the patterns in this file name", many: true },
      { flags: "--one-file-system", text: "do not enter other file systems" },
      {
        flags: "--snapshot",
        text: "read from snapshots of the volumes (Windows, macOS): open files as well",
      },
      { flags: "--tag NAME", text: "mark the copy", many: true },
      { flags: "--host NAME", text: "name of the machine in the copy" },
      { flags: "--name NAME", text: "name of the copy" },
      {
        flags: "--compression LEVEL",
        text: "of zstd, 0 for none; without it 3",
        range: { min: 0, max: 19 },
      },
      WORKERS,
      DRY_RUN,
      { flags: "--disk FILE", text: "not supported yet" },
    ],
    load: () => import("./commands/backup.ts"),
  },
  {
    name: "copies",
    operands: ["STORAGE"],
    summary: "list the copies",
    options: [
      KEY_FILE,
      CREDENTIALS,
      { flags: "--host NAME", text: "only copies of this machine" },
      { flags: "--tag NAME", text: "only copies with this tag; several times: with all of them", many: true },
    ],
    load: () => import("./commands/copies.ts"),
  },
  {
    name: "ls",
    operands: ["STORAGE", "COPY", "[PATH]"],
    summary: "list what is in a copy: everything, or what is in one folder",
    options: [
      KEY_FILE,
      CREDENTIALS,
      { flags: "--recursive", text: "with PATH: all that lies below it, too" },
    ],
    load: () => import("./commands/ls.ts"),
  },
  {
    name: "find",
    operands: ["STORAGE", "GLOB"],
    summary: "find by name in all copies",
    options: [KEY_FILE, CREDENTIALS, { flags: "--copy COPY", text: "only in this copy", many: true }],
    load: () => import("./commands/find.ts"),
  },
  {
    name: "diff",
    operands: ["STORAGE", "COPY", "COPY"],
    summary: "what changed from the first copy to the second",
    options: [KEY_FILE, CREDENTIALS],
    load: () => import("./commands/diff.ts"),
  },
  {
    name: "dump",
    operands: ["STORAGE", "COPY", "PATH"],
    summary: "write a file of a copy to standard output",
    options: [KEY_FILE, CREDENTIALS],
    load: () => import("./commands/dump.ts"),
  },
  {
    name: "restore",
    operands: ["STORAGE", "COPY"],
    summary: "write a copy back below a folder",
    options: [
      KEY_FILE,
      CREDENTIALS,
      { flags: "--target DIR", text: "where to; it is made where it is missing" },
      { flags: "--include PATH", text: "only this path of the copy and what is below it", many: true },
      {
        flags: "--existing WHAT",
        text: "what to do with files that are there; without it skip",
        choices: ["skip", "overwrite", "keep-both"],
      },
      WORKERS,
      DRY_RUN,
      { flags: "--disk FILE", text: "not supported yet" },
    ],
    load: () => import("./commands/restore.ts"),
  },
  {
    name: "verify",
    operands: ["STORAGE", "[COPY...]"],
    summary: "find damage: in every object and reference, or in some copies",
    options: [
      KEY_FILE,
      CREDENTIALS,
      { flags: "--read-data", text: "also decrypt everything and compare each chunk with its id" },
      {
        flags: "--no-key",
        text: "check without any key what can be checked so: every object's own checksum",
      },
      WORKERS,
    ],
    load: () => import("./commands/verify.ts"),
  },
  {
    name: "forget",
    operands: ["STORAGE", "[COPY...]"],
    summary: "remove copies, named or by rules; rules count copies of the same host and paths together",
    options: [
      KEY_FILE,
      CREDENTIALS,
      keepRule("last", "keep the N newest copies"),
      keepRule("hourly", "keep the newest copy of each of the last N hours that have one"),
      keepRule("daily", "the same for days"),
      keepRule("weekly", "the same for weeks, which begin on Monday"),
      keepRule("monthly", "the same for months"),
      keepRule("yearly", "the same for years"),
      { flags: "--host NAME", text: "the rules see only copies of this machine" },
      { flags: "--tag NAME", text: "the rules see only copies with this tag", many: true },
      DRY_RUN,
    ],
    load: () => import("./commands/forget.ts"),
  },
  {
    name: "clean",
    operands: ["STORAGE"],
    summary: "give back the space that no copy needs",
    options: [
      KEY_FILE,
      CREDENTIALS,
      {
        flags: "--check-packs",
        text: "read every pack first; what damaged ones held is stored anew by backups",
      },
      DRY_RUN,
    ],
    load: () => import("./commands/clean.ts"),
  },
  {
    name: "replicate",
    operands: ["STORAGE", "TARGET", "[COPY...]"],
    summary: "copy a repository to another storage, or bring the replica up to date",
    options: [
      KEY_FILE,
      CREDENTIALS,
      { flags: "--target-credentials FILE", text: "file with the credentials of TARGET" },
    ],
    load: () => import("./commands/replicate.ts"),
  },
  {
    name: "key list",
    operands: ["STORAGE"],
    summary: "list the keys that open a repository",
    options: [KEY_FILE, CREDENTIALS],
    load: () => import("./commands/key-list.ts"),
  },
  {
    name: "key add",
    operands: ["STORAGE"],
    summary: "add a passphrase or a recovery kit",
    options: [
      KEY_FILE,
      CREDENTIALS,
      NEW_KEY_FILE,
      { flags: "--recovery-kit FILE", text: "make a recovery kit and write it to this new file" },
      { flags: "--label TEXT", text: "what the key is called in the list" },
    ],
    load: () => import("./commands/key-add.ts"),
  },
  {
    name: "key remove",
    operands: ["STORAGE", "SLOT"],
    summary: "remove a key; SLOT is the start of its id",
    options: [KEY_FILE, CREDENTIALS],
    load: () => import("./commands/key-remove.ts"),
  },
  {
    name: "key check",
    operands: ["STORAGE"],
    summary: "try a key and say which one it is",
    options: [KEY_FILE, CREDENTIALS],
    load: () => import("./commands/key-check.ts"),
  },
  {
    name: "benchmark",
    operands: ["[STORAGE]"],
    summary: "what this machine can do: ciphers, hashes, compression, and a storage",
    options: [CREDENTIALS],
    load: () => import("./commands/benchmark.ts"),
  },
  {
    name: "serve",
    operands: [],
    summary: "run the management service, with a worker of its own",
    options: [
      SERVICE_DATA,
      { flags: "--listen HOST:PORT", text: "where browsers and agents reach it; without it 127.0.0.1:8443" },
      SERVICE_DATABASE,
      UNLOCK_FILE,
      UNLOCK_WITH,
      { flags: "--tls-certificate FILE", text: "certificate chain for browsers, PEM; without it its own" },
      { flags: "--tls-key FILE", text: "the private key of it" },
      {
        flags: "--own-address URL",
        text: "where agents reach this very process, when several share the database; without it --listen",
      },
      { flags: "--no-worker", text: "without the worker" },
    ],
    load: () => import("./commands/serve.ts"),
  },
  {
    name: "agent enroll",
    operands: [],
    summary: "make this machine a device of a service",
    options: [
      { flags: "--service URL", text: "the service's address, such as https://backup.example.com:8443" },
      { flags: "--code CODE", text: "the single-use code that the service gave for this device" },
      { flags: "--name NAME", text: "what the device is called; without it the machine's name" },
      { flags: "--proxy URL", text: "HTTP proxy on the way to the service; without it HTTPS_PROXY" },
      AGENT_STATE,
    ],
    load: () => import("./commands/agent-enroll.ts"),
  },
  {
    name: "agent run",
    operands: [],
    summary: "carry out the tasks of the service",
    options: [AGENT_STATE],
    load: () => import("./commands/agent-run.ts"),
  },
  {
    name: "agent status",
    operands: [],
    summary: "say which device this machine is",
    options: [AGENT_STATE],
    load: () => import("./commands/agent-status.ts"),
  },
  {
    name: "agent definition",
    operands: [],
    summary: "print what runs the agent as a service of this system: systemd, launchd or Windows",
    options: [AGENT_STATE],
    load: () => import("./commands/agent-definition.ts"),
  },
  {
    name: "admin definition",
    operands: [],
    summary: "print what makes systemd run the service",
    options: [
      SERVICE_DATA,
      { flags: "--listen HOST:PORT", text: "where it listens; without it 0.0.0.0:8443" },
      SERVICE_DATABASE,
      UNLOCK_FILE,
      UNLOCK_WITH,
    ],
    load: () => import("./commands/admin-definition.ts"),
  },
  {
    name: "admin backup",
    operands: ["FILE"],
    summary: "copy the service's own database to a new file, also while it runs",
    options: [SERVICE_DATA, SERVICE_DATABASE],
    load: () => import("./commands/admin-backup.ts"),
  },
  {
    name: "admin restore",
    operands: ["FILE"],
    summary: "put a copy of the service's database where the service looks for it",
    options: [SERVICE_DATA, SERVICE_DATABASE, UNLOCK_FILE],
    load: () => import("./commands/admin-restore.ts"),
  },
  {
    name: "admin unlock-slots",
    operands: [],
    summary: "list the ways to open the service's vault, add a passphrase, or remove one of them",
    options: [
      { flags: "--add-passphrase", text: "add a passphrase" },
      NEW_KEY_FILE,
      { flags: "--label TEXT", text: "what the passphrase is called in the list" },
      { flags: "--remove SLOT", text: "remove the one with this id" },
      {
        flags: "--key-file FILE",
        text: "open the vault with this passphrase or recovery kit, not the unlock file",
      },
      SERVICE_DATA,
      SERVICE_DATABASE,
      UNLOCK_FILE,
    ],
    load: () => import("./commands/admin-unlock-slots.ts"),
  },
  {
    name: "admin unlock-file",
    operands: [],
    summary: "make a new unlock file, with a passphrase of the vault or the recovery kit",
    options: [KEY_FILE, SERVICE_DATA, SERVICE_DATABASE, UNLOCK_FILE],
    load: () => import("./commands/admin-unlock-file.ts"),
  },
  {
    name: "admin reset-password",
    operands: ["USER"],
    summary: "give somebody a new password, and remove the second factor",
    options: [
      { flags: "--new-password-file FILE", text: "file with it; without it, it is asked for twice" },
      SERVICE_DATA,
      SERVICE_DATABASE,
      UNLOCK_FILE,
    ],
    load: () => import("./commands/admin-reset-password.ts"),
  },
  {
    name: "admin verify",
    operands: [],
    summary: "open every value of the vault, and recompute the audit log",
    options: [SERVICE_DATA, SERVICE_DATABASE, UNLOCK_FILE],
    load: () => import("./commands/admin-verify.ts"),
  },
];
