/**
 * Restores a hostile copy and looks whether anything was touched outside of the target.
 *
 * @module
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { AppError } from "@holdfast/kernel";
import { openCopyReader, type Repository, resolveCopy, verifyRepository } from "@holdfast/repository";
import { newRepository } from "@holdfast/repository/fixture-writer";
import {
  type RestoreNotice,
  type RestoreRequest,
  restoreFiles,
  type RestoreSummary,
} from "@holdfast/sources";
import { openLocalStorage } from "@holdfast/storage";
import { type RawCopy, writeRawCopy } from "./raw-copy.ts";

const MEMORY_BYTES_MAX = 400 * 1024 * 1024;
const SECONDS_MAX = 30;

/** A folder with things that nobody may touch, and a target beside them. */
export class Scene {
  readonly folder: string;
  readonly outside: string;
  readonly target: string;
  readonly repository: Repository;

  private constructor(folder: string, repository: Repository) {
    this.folder = folder;
    this.outside = join(folder, "outside");
    this.target = join(folder, "deep", "target");
    this.repository = repository;
  }

  static async open(context: TestContext): Promise<Scene> {
    const folder = fs.mkdtempSync(join(tmpdir(), "holdfast-hostile-"));
    // Deeper than any path may be long: only programs that go step by step can remove it.
    context.after(() => {
      execFileSync("rm", ["-rf", folder]);
    });
    const storage = await openLocalStorage(join(folder, "repository"), { create: true });
    const { repository } = await newRepository(undefined, storage);
    const scene = new Scene(folder, repository);
    fs.mkdirSync(join(scene.outside, "folder"), { recursive: true });
    fs.writeFileSync(join(scene.outside, "secret"), "do not touch", { mode: 0o600 });
    fs.writeFileSync(join(scene.outside, "folder", "below"), "nor this");
    fs.mkdirSync(join(folder, "deep"));
    return scene;
  }

  /** Everything but the target and the repository: names, kinds, content, modes and times. */
  snapshot(): string {
    const hash = createHash("sha256");
    const visit = (path: string): void => {
      const stat = fs.lstatSync(path, { bigint: true });
      const { mode, uid, gid, size, nlink } = stat;
      // The target itself may come and go in its parent.
      const isParent = path === this.folder || path === join(this.folder, "deep");
      const times = isParent ? [] : [stat.mtimeNs, size, nlink];
      hash.update([path, mode, uid, gid, ...times].join("\0"));
      if (stat.isSymbolicLink()) hash.update(fs.readlinkSync(path));
      if (stat.isFile()) hash.update(fs.readFileSync(path));
      if (!stat.isDirectory()) return;
      for (const name of fs.readdirSync(path).toSorted()) {
        const below = join(path, name);
        if (below !== this.target && below !== join(this.folder, "repository")) visit(below);
      }
    };
    visit(this.folder);
    return hash.digest("hex");
  }

  async write(make: Parameters<typeof writeRawCopy>[1]): Promise<string> {
    return writeRawCopy(this.repository, make);
  }
}

export interface Outcome {
  readonly summary: RestoreSummary | undefined;
  readonly error: AppError | undefined;
  readonly notices: readonly RestoreNotice[];
}

export type MakeCopy = (...args: Parameters<Parameters<typeof writeRawCopy>[1]>) => RawCopy;

/**
 * Restores the copy. Whatever it is, the restore ends soon, with a summary or a named error, takes bounded memory and touches
 * nothing outside; so does a verification.
 */
export async function restoreHostile(
  scene: Scene,
  make: MakeCopy,
  request: Partial<RestoreRequest> = {},
): Promise<Outcome> {
  const id = await scene.write(make);
  const before = scene.snapshot();
  const { rss } = process.memoryUsage();
  const start = performance.now();
  const notices: RestoreNotice[] = [];
  const outcome = await attempt(async () => {
    using reader = await openCopyReader(scene.repository);
    const copy = resolveCopy(await reader.listCopies(), id);
    return await restoreFiles(scene.repository, {
      copy,
      target: scene.target,
      existing: "overwrite",
      workers: 2,
      onWarning: (notice) => notices.push(notice),
      ...request,
    });
  });
  assert.equal(scene.snapshot(), before, "something outside of the target was changed");
  assert(performance.now() - start < SECONDS_MAX * 1000, "the restore took too long");
  assert(process.memoryUsage().rss - rss < MEMORY_BYTES_MAX, "the restore took too much memory");
  for (const { message } of notices) assert.doesNotMatch(message, /\p{Cc}/u);
  return { ...outcome, notices };
}

async function attempt(
  action: () => Promise<RestoreSummary>,
): Promise<{ readonly summary: RestoreSummary | undefined; readonly error: AppError | undefined }> {
  try {
    return { summary: await action(), error: undefined };
  } catch (error) {
    assert(error instanceof AppError, String(error));
    return { summary: undefined, error };
  }
}

/** A verification of the same copies: it ends, too, and names what is wrong. */
export async function verifyHostile({ repository }: Scene): Promise<readonly string[]> {
  const { damaged } = await verifyRepository(repository, { readData: true, workers: 1 });
  return damaged.map(({ message }) => message);
}

/** Paths of everything below the target, by a program that knows no limit of their length. */
export function restoredPaths({ target }: Scene): string[] {
  if (!fs.existsSync(target)) return [];
  const found = execFileSync("find", [target, "-mindepth", "1", "-printf", "%P\\0"], {
    encoding: "latin1",
    maxBuffer: 1024 ** 3,
  });
  return found.split("\0").filter((path) => path !== "");
}
