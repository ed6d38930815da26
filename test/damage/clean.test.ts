/**
 * A clean-up of a damaged repository must not make it worse: whatever the damage was, what is needed comes back once it is undone.
 * It deletes for good, so it has to see more than a restore that something is wrong.
 */
import assert from "node:assert/strict";
import fs from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";
import { suiteFor } from "@holdfast/crypto";
import { isAppError } from "@holdfast/kernel";
import { clean } from "@holdfast/repository";
import { entriesOf, listCopies, openRepository, piecesOf, readChunk } from "../reader/repository.ts";
import { KINDS } from "./damage-suite.ts";
import { RepositoryInHand } from "./repository-in-hand.ts";
import { KIT, KIT_SEED, namesIn, openAs, type Sample, sampleOf } from "./sample.ts";

const ALL = process.env["SLOW"] === "1";
/** Kinds of which a clean-up cannot keep what it promises. */
const EXEMPT: ReadonlyMap<string, string> = new Map([
  ["manifest removed", "a copy whose manifest is gone was forgotten: nobody can tell the two apart"],
  [
    "a bit flipped in one of two slots; opened with the other's key",
    "the second reader opens no repository with a damaged slot",
  ],
  [
    "a chunk with a wrong content and a place of its own beside the good one",
    "somebody with the keys of a writer made it, and a cleaner cannot read what it keeps (SECURITY.md)",
  ],
]);

/** Of everything that the sample's copies need, what the second reader finds in some pack, and can read. */
function readable(folder: string, sample: Sample): ReadonlySet<string> {
  const reader = openRepository(folder, KIT_SEED);
  const types = [1, 2, 3, 4, 5];
  const isReadable = (id: string): boolean => {
    try {
      return readChunk(reader, Buffer.from(id, "hex"), types).length > 0;
    } catch {
      return false;
    }
  };
  return new Set(sample.model.records.flatMap(({ ids }) => ids).filter(isReadable));
}

/** Objects of the sample that the damage changed or removed. */
function changedBy(r: RepositoryInHand): string[] {
  return namesIn(r.sample.folder).filter((name) => {
    const path = join(r.folder, name);
    return (
      !fs.existsSync(path) || !fs.readFileSync(path).equals(fs.readFileSync(join(r.sample.folder, name)))
    );
  });
}

/** Puts them back to what they were; copies that somebody added go. */
function undo(r: RepositoryInHand, changed: readonly string[]): void {
  for (const name of changed) r.write(name, fs.readFileSync(join(r.sample.folder, name)));
  const own = Object.values(r.sample.copies);
  for (const name of namesIn(r.folder)) {
    if (name.startsWith("copies/") && !own.includes(name.slice("copies/".length))) r.remove(name);
  }
}

/** Reads everything of every copy by the second reader; throws where something is missing. */
function readEverything(folder: string, sample: Sample): void {
  const reader = openRepository(folder, KIT_SEED);
  const copies = listCopies(reader);
  assert.deepEqual(copies.map(({ id }) => id).toSorted(), Object.values(sample.copies).toSorted());
  for (const copy of copies) {
    for (const { content } of entriesOf(reader, copy))
      for (const piece of piecesOf(reader, content)) void piece;
  }
}

/** What a clean-up may say of a repository that it cannot clean. */
const REFUSALS = ["ERR_DAMAGED", "ERR_FORMAT_VERSION", "ERR_STORAGE_NOT_FOUND"] as const;

async function cleanTwice(folder: string): Promise<string[]> {
  const said: string[] = [];
  for (let round = 0; round < 2; round += 1) {
    try {
      await clean(await openAs(folder, KIT, ["maintain"]), {});
    } catch (error) {
      assert(isAppError(error) && REFUSALS.some((code) => code === error.code), String(error));
      said.push(error.message);
    }
  }
  return said;
}

suite("a clean-up after damage deletes nothing that is needed", () => {
  for (const [index, kind] of KINDS.entries()) {
    if ([...EXEMPT.keys()].some((name) => kind.name.startsWith(name)) || (!ALL && index % 2 === 1)) continue;
    test(kind.name, async (context) => {
      const sample = await sampleOf(suiteFor("gcm", "high"));
      const folder = join(sample.scratch, `clean ${String(index)}`);
      const r = new RepositoryInHand(folder, sample, `clean/${kind.name}`);
      const result = kind.apply(r);
      // Of a session that nobody closes: it would keep everything from being deleted.
      fs.rmSync(join(folder, "sessions"), { recursive: true });
      const changed = changedBy(r).filter((name) => !name.startsWith("sessions/"));
      if (!("refused" in result)) {
        const before = readable(folder, sample);
        const said = await cleanTwice(folder);
        context.diagnostic(said.join(" / ") || "cleaned");
        const after = readable(folder, sample);
        const lost = [...before].filter((id) => !after.has(id));
        assert.deepEqual(lost, [], "the clean-up deleted what could still be read");
      }
      undo(r, changed);
      readEverything(folder, sample);
      fs.rmSync(folder, { recursive: true });
    });
  }
});
