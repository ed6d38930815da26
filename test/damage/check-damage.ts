/**
 * Damages a repository and looks whether verify, restore and the opening of it behave as expected.
 *
 * @module
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import fs from "node:fs";
import { join } from "node:path";
import { isAppError } from "@holdfast/kernel";
import {
  type DamagedObject,
  openCopyReader,
  resolveCopy,
  verifyObjects,
  verifyRepository,
} from "@holdfast/repository";
import { type RestoreNotice, restoreFiles } from "@holdfast/sources";
import { openLocalStorage } from "@holdfast/storage";
import type { Loss } from "./copy-model.ts";
import type { DamageKind, Expected, Refusal } from "./damage-kind.ts";
import { RepositoryInHand } from "./repository-in-hand.ts";
import { keyOf, openAs, PASSPHRASE, type Sample } from "./sample.ts";

/** What is done with one damaged repository; each step starts threads, which is what takes the time. */
export interface Steps {
  readonly withData: boolean;
  readonly withoutData: boolean;
  /** Of a copy that is touched, or else of one that is not. */
  readonly restore: boolean;
  /** Of both, where there are both. */
  readonly both: boolean;
}

export async function checkDamage(
  sample: Sample,
  kind: DamageKind,
  folder: string,
  steps: Steps,
): Promise<void> {
  const r = new RepositoryInHand(folder, sample, `${sample.suite.name}/${kind.name}`);
  const expected = kind.apply(r);
  if ("refused" in expected) await checkRefused(r, expected);
  else await checkFound(r, expected, steps);
}

async function checkRefused(r: RepositoryInHand, { refused, key, objects }: Refusal): Promise<void> {
  const given = key === "none" ? undefined : key === "passphrase" ? PASSPHRASE : keyOf(r.sample.suite);
  await assert.rejects(openAs(r.folder, given), (error) => {
    assert(isAppError(error, refused), `${refused} expected, not ${String(error)}`);
    return true;
  });
  await checkWithoutKeys(r, objects);
}

async function checkWithoutKeys(r: RepositoryInHand, objects: readonly string[]): Promise<void> {
  const { damaged } = await verifyObjects(await openLocalStorage(r.folder), { workers: 1 });
  assert.deepEqual(namesOf(damaged), objects, describe(damaged));
}

function namesOf(damaged: readonly DamagedObject[]): string[] {
  return damaged.map(({ object }) => object).toSorted();
}

async function checkFound(r: RepositoryInHand, expected: Expected, steps: Steps): Promise<void> {
  const repository = await openAs(r.folder, keyOf(r.sample.suite));
  const loss = r.model.lossOf((record) => expected.lost?.(record) ?? false, expected.lostIds);
  const verify = async (readData: boolean): Promise<readonly DamagedObject[]> =>
    (await verifyRepository(repository, { readData, workers: 1 })).damaged;
  if (steps.withData) {
    const damaged = await verify(true);
    assert.deepEqual(namesOf(damaged), expected.objects, describe(damaged));
    checkTouched(damaged, expected, loss);
  }
  if (steps.withoutData) {
    const damaged = await verify(false);
    const { withoutData = expected.objects } = expected;
    assert.deepEqual(namesOf(damaged), withoutData, describe(damaged));
    if (expected.withoutData === undefined) checkTouched(damaged, expected, loss);
  }
  if (expected.withoutKeys !== undefined) await checkWithoutKeys(r, expected.withoutKeys);
  if (steps.restore) await checkRestores(r, repository, expected, loss, steps.both);
}

function describe(damaged: readonly DamagedObject[]): string {
  return damaged.map(({ object, message }) => `${object}: ${message}`).join("\n");
}

function checkTouched(
  damaged: readonly DamagedObject[],
  { objects, lostCopies = [] }: Expected,
  { copies, paths }: Loss,
): void {
  const touched = damaged.flatMap((one) => one.copies);
  // What is no object any more, nobody can name.
  const present = [...copies, ...lostCopies.filter((id) => objects.includes(`copies/${id}`))];
  assert.deepEqual([...new Set(touched)].toSorted(), [...new Set(present)].toSorted(), describe(damaged));
  const found = new Set(damaged.flatMap((one) => one.paths));
  assert.deepEqual([...found].toSorted(), [...paths].toSorted(), describe(damaged));
  assert(damaged.every(({ pathsLeftOut }) => pathsLeftOut === 0));
}

/** All copies that can be read: what is good comes back byte for byte, what is not is told and not there. */
async function checkRestores(
  r: RepositoryInHand,
  repository: Awaited<ReturnType<typeof openAs>>,
  { lostCopies = [] }: Expected,
  loss: Loss,
  both: boolean,
): Promise<void> {
  using reader = await openCopyReader(repository);
  const list = await reader.listCopies();
  const { first, second, other } = r.sample.copies;
  const readable = [first, second, other].filter((id) => !lostCopies.includes(id));
  assert.deepEqual(list.copies.map(({ id }) => id).toSorted(), readable.toSorted());
  for (const id of lostCopies) {
    assert.throws(
      () => resolveCopy(list, id),
      (error) => isAppError(error, "ERR_DAMAGED") || isAppError(error, "ERR_COPY_NOT_FOUND"),
    );
  }
  const touched = readable.find((id) => (loss.entries.get(id)?.size ?? 0) > 0);
  const intact = readable.filter((id) => id !== touched && (loss.entries.get(id)?.size ?? 0) === 0);
  const whole = touched === undefined && intact.includes(second) ? second : intact.at(-1);
  for (const id of [touched, touched === undefined || both ? whole : undefined]) {
    if (id === undefined) continue;
    const target = join(r.folder, "..", `restored ${id}`);
    const notices: RestoreNotice[] = [];
    const summary = await restoreFiles(repository, {
      copy: resolveCopy(list, id),
      target,
      existing: "skip",
      workers: 1,
      onWarning: (notice) => notices.push(notice),
    });
    checkRestored(r, id, target, loss, notices);
    assert.equal(summary.damaged > 0, id === touched);
    fs.rmSync(target, { recursive: true });
  }
}

function checkRestored(
  r: RepositoryInHand,
  id: string,
  target: string,
  loss: Loss,
  notices: readonly RestoreNotice[],
): void {
  const copy = r.model.copies.find((one) => one.id === id);
  assert(copy !== undefined);
  const lost = loss.entries.get(id) ?? new Set();
  const found = new Set(pathsBelow(target));
  for (const path of found) assert(copy.listed.has(path), `${path} is not in the copy`);
  for (const [path, entry] of copy.listed) {
    if (lost.has(path)) {
      // A folder of which only the entry is lost is made for what is in it.
      if (entry.kind !== "directory") assert(!found.has(path), `${path} was restored without its data`);
      continue;
    }
    assert(found.has(path), `${path} is missing`);
    const restored = Buffer.concat([Buffer.from(`${target}/`), Buffer.from(path, "latin1")]);
    const stat = fs.lstatSync(restored, { bigint: true });
    if (entry.kind === "file") {
      const digest = createHash("sha256").update(fs.readFileSync(restored)).digest("hex");
      assert.equal(digest, entry.sha256, path);
      assert.equal(stat.mtimeNs, BigInt(entry.mtimeNs), path);
    }
    if (entry.kind === "symbolic link") assert.equal(fs.readlinkSync(restored), entry.target);
    else
      assert.equal(
        Number(stat.mode & 0o7777n)
          .toString(8)
          .padStart(4, "0"),
        entry.mode,
        path,
      );
  }
  const told = notices.filter(({ code }) => code === "ERR_DAMAGED");
  assert.deepEqual(
    [...new Set(told.map(({ path }) => path.toString("latin1")))].toSorted(),
    [...(loss.told.get(id) ?? [])].toSorted(),
  );
}

function pathsBelow(folder: string): string[] {
  if (!fs.existsSync(folder)) return [];
  return fs
    .readdirSync(folder, { recursive: true, encoding: "buffer" })
    .map((path) => path.toString("latin1"));
}
