/** Walks a folder in byte order of its paths and describes it by counts and one digest. */
import { createHash } from "node:crypto";
import { closeSync, lstatSync, openSync, readdirSync, readlinkSync, readSync } from "node:fs";
import { join } from "node:path";

export interface TreeFile {
  readonly path: string;
  readonly bytes: number;
}

export interface TreeListing {
  readonly files: readonly TreeFile[];
  readonly links: readonly string[];
  readonly directories: readonly string[];
}

export interface TreeSummary {
  readonly files: number;
  readonly directories: number;
  readonly links: number;
  readonly bytes: number;
  readonly medianBytes: number;
  /** SHA-256 over a line per file and link: path, length, SHA-256 of the content or the link's target. */
  readonly digest: string;
}

/** Every entry below `root`, paths relative to it, sorted by UTF-16 code unit within each folder. */
export function listTree(root: string): TreeListing {
  const files: TreeFile[] = [];
  const links: string[] = [];
  const directories: string[] = [];
  const visit = (relative: string): void => {
    const entries = readdirSync(join(root, relative), { withFileTypes: true });
    entries.sort((a, b) => (a.name < b.name ? -1 : 1));
    for (const entry of entries) {
      const path = relative === "" ? entry.name : `${relative}/${entry.name}`;
      if (entry.isDirectory()) {
        directories.push(path);
        visit(path);
      } else if (entry.isSymbolicLink()) links.push(path);
      else if (entry.isFile()) files.push({ path, bytes: lstatSync(join(root, path)).size });
    }
  };
  visit("");
  return { files, links, directories };
}

export function summarizeTree(root: string): TreeSummary {
  const { files, links, directories } = listTree(root);
  const digest = createHash("sha256");
  const buffer = Buffer.allocUnsafeSlow(4 << 20);
  for (const file of files)
    digest.update(`${file.path}\0${file.bytes}\0${hashFile(join(root, file.path), buffer)}\n`);
  for (const link of links) digest.update(`${link}\0${readlinkSync(join(root, link))}\n`);
  const sizes = files.map((file) => file.bytes).toSorted((a, b) => a - b);
  return {
    files: files.length,
    directories: directories.length,
    links: links.length,
    bytes: sizes.reduce((sum, size) => sum + size, 0),
    medianBytes: sizes[sizes.length >> 1] ?? 0,
    digest: digest.digest("hex"),
  };
}

function hashFile(path: string, buffer: Buffer): string {
  const hash = createHash("sha256");
  const file = openSync(path, "r");
  try {
    for (let count = readSync(file, buffer); count > 0; count = readSync(file, buffer)) {
      hash.update(buffer.subarray(0, count));
    }
  } finally {
    closeSync(file);
  }
  return hash.digest("hex");
}
