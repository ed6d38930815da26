/**
 * Checks the manifests and the lock file: exact versions, no registry host, no forgotten platform, and a decision
 * about every install script.
 *
 * @module
 */
import { join } from "node:path";
import {
  findMissingEntries,
  type LockFile,
  type Manifest,
  readLockFile,
  readManifests,
} from "./lock-file.ts";

/** `1.2.3`, `1.2.3-beta.1`, or the same behind an alias (`npm:name@1.2.3`). */
const EXACT_VERSION = /^(?:npm:(?:@[\w.-]+\/)?[\w.-]+@)?\d+\.\d+\.\d+(?:-[\w.]+)?$/;
const FIELDS = ["dependencies", "devDependencies", "optionalDependencies", "peerDependencies"] as const;

function* checkPins(path: string, manifest: Manifest): Generator<string> {
  for (const field of FIELDS) {
    for (const [name, version] of Object.entries(manifest[field] ?? {})) {
      if (!EXACT_VERSION.test(version))
        yield `${path}: ${field}: ${name} is "${version}", not an exact version.`;
    }
  }
}

function* checkLock(lock: LockFile): Generator<string> {
  for (const [place, entry] of Object.entries(lock.packages)) {
    if (entry.resolved?.includes("://") === true) {
      yield `package-lock.json: ${place} names a registry host. Set omit-lockfile-registry-resolved and install again.`;
    }
    const foreign = entry.optional === true && entry.os !== undefined;
    if (place.includes("node_modules/") && entry.link !== true && entry.integrity === undefined && !foreign) {
      yield `package-lock.json: ${place} has no integrity value.`;
    }
  }
  for (const { place } of findMissingEntries(lock)) {
    yield `package-lock.json: ${place} is missing. Run: node tools/complete-lock.ts`;
  }
}

function* checkScripts(root: Manifest, lock: LockFile): Generator<string> {
  const decided = root.allowScripts ?? {};
  const withScript = new Set(
    Object.entries(lock.packages)
      .filter(([, entry]) => entry.hasInstallScript === true)
      .map(([place]) => place.slice(place.lastIndexOf("node_modules/") + "node_modules/".length)),
  );
  for (const name of withScript) {
    if (decided[name] === undefined) yield `package.json: allowScripts says nothing about ${name}.`;
  }
  for (const name of Object.keys(decided)) {
    if (!withScript.has(name)) yield `package.json: allowScripts names ${name}, which has no install script.`;
  }
}

const root = join(import.meta.dirname, "..");
const lock = readLockFile(root);
const manifests = readManifests(root);
const problems = [...checkLock(lock)];
for (const [path, manifest] of manifests) problems.push(...checkPins(path, manifest));
const rootManifest = manifests.get("package.json");
if (rootManifest !== undefined) problems.push(...checkScripts(rootManifest, lock));
for (const problem of problems) process.stderr.write(`${problem}\n`);
if (problems.length > 0) process.exitCode = 1;
else
  process.stdout.write(
    `Checked ${manifests.size} manifests and ${Object.keys(lock.packages).length} locked packages.\n`,
  );
