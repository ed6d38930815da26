/**
 * `node test/reader/main.ts REPOSITORY [--key-file FILE] list | listing COPY | restore COPY TARGET | check`
 *
 * The key file holds the passphrase, or the recovery seed as 32 bytes or 64 hex digits. One line break at its end
 * does not count.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { check, listCopies, openRepository } from "./repository.ts";
import { listing, restoreTo } from "./restore.ts";

const USAGE = "usage: main.ts REPOSITORY [--key-file FILE] list | listing COPY | restore COPY TARGET | check";

export function readSecret(path: string): Buffer {
  const bytes = readFileSync(path);
  const text = bytes.toString("latin1").replace(/\r?\n$/u, "");
  if (bytes.length === 32) return bytes;
  return Buffer.from(text, /^[0-9a-f]{64}$/u.test(text) ? "hex" : "latin1");
}

function print(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, undefined, 2)}\n`);
}

function run(): number {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { "key-file": { type: "string" } },
  });
  const [folder, command, copy, target] = positionals;
  const keyFile = values["key-file"];
  if (folder === undefined || command === undefined) throw new Error(USAGE);
  const repository = openRepository(folder, keyFile === undefined ? undefined : readSecret(keyFile));
  if (command === "list") {
    print(
      listCopies(repository).map((each) => ({
        ...each,
        root: each.root.type,
        paths: each.paths.map(String),
      })),
    );
  } else if (command === "listing" && copy !== undefined) {
    print(listing(repository, copy));
  } else if (command === "restore" && copy !== undefined && target !== undefined) {
    print({ leftOut: restoreTo(repository, copy, target) });
  } else if (command === "check") {
    const problems = check(repository);
    print({ problems });
    return problems.length === 0 ? 0 : 1;
  } else {
    throw new Error(USAGE);
  }
  return 0;
}

if (import.meta.main) {
  try {
    process.exitCode = run();
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 2;
  }
}
