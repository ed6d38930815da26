/**
 * The programs that tests use besides Node.js, as independent witnesses of what a restore brought back and as real
 * servers on loopback, and their installation on Debian. A test whose program is missing says so and is skipped.
 *
 * @module
 */
import { execFileSync, spawnSync } from "node:child_process";
import { accessSync, constants, existsSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";

interface TestPackage {
  /** Name in Debian. */
  readonly name: string;
  /** A program of the package: the package is missing where this is. */
  readonly program: string;
  readonly purpose: string;
}

const TEST_PACKAGES: readonly TestPackage[] = [
  { name: "rsync", program: "rsync", purpose: "comparison of a restored tree with its source" },
  { name: "attr", program: "getfattr", purpose: "extended attributes of restored files" },
  { name: "acl", program: "getfacl", purpose: "access control lists of restored files" },
  { name: "e2fsprogs", program: "filefrag", purpose: "holes of restored sparse files" },
  { name: "procps", program: "ps", purpose: "search for secrets in the list of processes" },
  { name: "openssl", program: "openssl", purpose: "certificates of test servers" },
  { name: "openssh-client", program: "ssh-keygen", purpose: "keys for SFTP servers" },
  { name: "openssh-server", program: "sshd", purpose: "backups to an SFTP server" },
  { name: "apache2-bin", program: "apache2", purpose: "backups to a WebDAV server" },
  { name: "samba", program: "smbd", purpose: "backups to an SMB server" },
  // Brings libsmbclient as well, which the driver uses.
  { name: "smbclient", program: "smbclient", purpose: "backups to an SMB server" },
  { name: "radosgw", program: "radosgw", purpose: "backups to an S3 server" },
  { name: "ceph-mon", program: "ceph-mon", purpose: "backups to an S3 server" },
  { name: "ceph-osd", program: "ceph-osd", purpose: "backups to an S3 server" },
  { name: "ceph-common", program: "ceph", purpose: "backups to an S3 server" },
  { name: "postgresql", program: "postgres", purpose: "the service on PostgreSQL" },
];

/** Debian keeps the programs of a PostgreSQL server out of the PATH, in a folder of each version. */
const POSTGRESQL_FOLDER = "/usr/lib/postgresql";

/** Long enough for a slow mirror; nothing else limits apt-get. */
const INSTALL_TIMEOUT_MS = 10 * 60_000;

function isPresent({ program }: TestPackage): boolean {
  const versions = existsSync(POSTGRESQL_FOLDER) ? readdirSync(POSTGRESQL_FOLDER) : [];
  const folders = [
    ...(process.env["PATH"] ?? "").split(delimiter),
    "/usr/sbin",
    "/sbin",
    ...versions.map((version) => join(POSTGRESQL_FOLDER, version, "bin")),
  ];
  return folders.some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

function apt(...args: readonly string[]): boolean {
  const result = spawnSync("apt-get", ["--quiet", "--yes", ...args], {
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    stdio: ["ignore", "ignore", "inherit"],
    timeout: INSTALL_TIMEOUT_MS,
  });
  return result.status === 0;
}

/** What the packages' installation asks before it starts a service (Debian Policy Manual, section 9.3.3). */
const SERVICE_POLICY = "/usr/sbin/policy-rc.d";

/** Runs `work` while no package starts its server: the tests start their own, with settings of their own. */
function withoutServices(work: () => boolean): boolean {
  if (existsSync(SERVICE_POLICY)) return work();
  writeFileSync(SERVICE_POLICY, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  try {
    return work();
  } finally {
    rmSync(SERVICE_POLICY);
  }
}

function installOnDebian(names: readonly string[]): boolean {
  if (process.getuid?.() !== 0 || !existsSync("/etc/debian_version")) return false;
  process.stderr.write(`Installing Debian packages for the tests: ${names.join(", ")}...\n`);
  const install = ["install", "--no-install-recommends", ...names];
  // The first try saves the update where the lists are there; where they are not, its complaint means nothing.
  const known = names.every((name) => isKnown(name));
  return withoutServices(() => (known && apt(...install)) || (apt("update") && apt(...install)));
}

function isKnown(name: string): boolean {
  try {
    return !execFileSync("apt-cache", ["policy", name], { encoding: "utf8" }).includes("Candidate: (none)");
  } catch {
    return false;
  }
}

/**
 * Installs what is missing where that is possible, and says which tests go without it elsewhere.
 *
 * @returns False when packages are still missing.
 */
export function provideTestPackages(): boolean {
  const missing = TEST_PACKAGES.filter((entry) => !isPresent(entry));
  if (missing.length === 0) return true;
  installOnDebian(missing.map((entry) => entry.name));
  const absent = missing.filter((entry) => !isPresent(entry));
  for (const { name, program, purpose } of absent) {
    process.stderr.write(`Skipping tests for want of ${program} (Debian package ${name}): ${purpose}.\n`);
  }
  return absent.length === 0;
}
