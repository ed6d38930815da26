/**
 * What the project's checks need to know about `package-lock.json` and the manifests it stands for.
 *
 * @module
 */
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** The dependency fields of a manifest, or of an entry of the lock file. */
export interface Dependencies {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

export interface Manifest extends Dependencies {
  readonly name: string;
  readonly workspaces?: readonly string[];
  readonly allowScripts?: Readonly<Record<string, boolean>>;
}

export interface LockEntry extends Dependencies {
  readonly version?: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly link?: boolean;
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly hasInstallScript?: boolean;
  readonly os?: string | readonly string[];
  readonly cpu?: string | readonly string[];
  readonly libc?: readonly string[];
}

export interface LockFile {
  readonly lockfileVersion: number;
  /** By place: `""` is the root, `packages/x` a workspace, `node_modules/x` an installed package. */
  readonly packages: Readonly<Record<string, LockEntry>>;
}

/** An optional package that a locked package names, and that has no entry of its own. */
export interface MissingEntry {
  readonly place: string;
  readonly version: string;
  /** True when only development needs the package that asks for it. */
  readonly dev: boolean;
}

export function readLockFile(root: string): LockFile {
  const value = readJson(root, "package-lock.json");
  if (!isLockFile(value)) throw new Error("package-lock.json is not a lock file of version 3.");
  return value;
}

/** Every manifest of the project, by its path relative to `root`. */
export function readManifests(root: string): ReadonlyMap<string, Manifest> {
  const read = (path: string): Manifest => {
    const value = readJson(root, path);
    if (!isManifest(value)) throw new Error(`${path} is not a manifest with a name.`);
    return value;
  };
  const rootManifest = read("package.json");
  const patterns = (rootManifest.workspaces ?? []).map((folder) => `${folder}/package.json`);
  const paths = globSync(patterns, { cwd: root }).toSorted();
  return new Map([["package.json", rootManifest], ...paths.map((path) => [path, read(path)] as const)]);
}

function readJson(root: string, path: string): unknown {
  return JSON.parse(readFileSync(join(root, path), "utf8"));
}

// Both files are our own and reviewed: the guards tell a wrong file apart, they do not validate every field.
function isLockFile(value: unknown): value is LockFile {
  if (typeof value !== "object" || value === null || !("packages" in value)) return false;
  const { packages } = value;
  return (
    "lockfileVersion" in value &&
    value.lockfileVersion === 3 &&
    typeof packages === "object" &&
    packages !== null
  );
}

function isManifest(value: unknown): value is Manifest {
  return typeof value === "object" && value !== null && "name" in value && typeof value.name === "string";
}

/**
 * Optional packages of other platforms that the lock file leaves out.
 *
 * npm drops them when it writes the file against a registry that does not carry them, and then refuses the file
 * in `npm ci`: "Missing: ... from lock file".
 */
export function findMissingEntries(lock: LockFile): readonly MissingEntry[] {
  const missing: MissingEntry[] = [];
  for (const [place, entry] of Object.entries(lock.packages)) {
    for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
      const nested = `${place === "" ? "" : `${place}/`}node_modules/${name}`;
      const hoisted = `node_modules/${name}`;
      if (lock.packages[nested] !== undefined || lock.packages[hoisted] !== undefined) continue;
      missing.push({ place: hoisted, version, dev: entry.dev === true });
    }
  }
  return missing;
}
