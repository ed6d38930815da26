/**
 * Completes `package-lock.json` after a change of dependencies: run it after `npm install`.
 *
 * Adds the entries of optional platform packages that the registry in use does not carry (see
 * {@link findMissingEntries}), without an integrity value because nobody saw their bytes, and says that the bundled
 * Node.js of Linux needs the GNU C library, so that npm does not install it where it cannot run.
 *
 * @module
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { findMissingEntries, type LockEntry, readLockFile } from "./lock-file.ts";

const SYSTEMS = ["aix", "android", "darwin", "freebsd", "linux", "netbsd", "openbsd", "openharmony", "win32"];
const PROCESSORS = ["arm", "arm64", "ia32", "loong64", "ppc64", "riscv64", "s390x", "x64"];

/** The platform fields that npm tests, as far as the package's name tells them: `linux-x64-musl`. */
function platformOf(name: string): Pick<LockEntry, "os" | "cpu" | "libc"> {
  const words = name.split(/[-/]/);
  const os = words.filter((word) => SYSTEMS.includes(word));
  const cpu = words.filter((word) => PROCESSORS.includes(word));
  if (os.length !== 1 || cpu.length !== 1) throw new Error(`The name ${name} does not tell its platform.`);
  const last = words.at(-1) ?? "";
  if (last.startsWith("musl")) return { os, cpu, libc: ["musl"] };
  if (last.startsWith("gnu")) return { os, cpu, libc: ["glibc"] };
  return { os, cpu };
}

const root = join(import.meta.dirname, "..");
const lock = readLockFile(root);
const packages: Record<string, LockEntry> = { ...lock.packages };
const missing = findMissingEntries(lock);
for (const { place, version, dev } of missing) {
  packages[place] = { version, ...(dev ? { dev } : {}), optional: true, ...platformOf(place) };
}
for (const [place, entry] of Object.entries(packages)) {
  if (place.startsWith("node_modules/node-linux-")) packages[place] = { ...entry, libc: ["glibc"] };
}
const sorted = Object.fromEntries(Object.entries(packages).toSorted(([a], [b]) => a.localeCompare(b, "en")));
writeFileSync(
  join(root, "package-lock.json"),
  `${JSON.stringify({ ...lock, packages: sorted }, undefined, 2)}\n`,
);
process.stdout.write(`Added ${missing.length} entries of optional packages to package-lock.json.\n`);
