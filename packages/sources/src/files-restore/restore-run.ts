/**
 * One run of a restore: goes through the tree in order, makes folders, and hands everything else to the threads.
 *
 * @module
 */
import type { Copy, Entry, FileEntry, LostPart, ReadRecord, TreeRef } from "@holdfast/repository";
import { isWithin, joinPath, keyOf, lookup, walkWhatIsLeft } from "@holdfast/repository";
import type { EntryPlace, RestoreOutcome, RestoreWarning } from "../restore-tree/outcome.ts";
import { displayPath } from "../restore-tree/entry-name.ts";
import type { TargetTree } from "../restore-tree/target.ts";
import { BigFiles, type BigFileEnd } from "./big-files.ts";
import { FoldedNames } from "./folded-names.ts";
import { FolderPlan } from "./folder-plan.ts";
import { HardLinks, type LaterName } from "./hard-links.ts";
import { LeftOut, leftOutSentence } from "./left-out.ts";
import type { DamagedEntry, EntriesDone, Notice } from "./messages.ts";
import type { RestoreRequest } from "./request.ts";
import type { RestoreTotals } from "./restore-totals.ts";
import { SecondChances } from "./second-chances.ts";
import { readSections, sectionOf, SectionWriter } from "./section-writer.ts";
import { TASK_BYTES, TASK_ENTRIES, WHOLE_FILE_BYTES_MAX } from "./sizes.ts";
import type { WorkerPool } from "./worker-pool.ts";

export interface RestoreRunParts {
  readonly copy: Copy;
  readonly request: RestoreRequest;
  readonly readRecord: ReadRecord;
  readonly target: TargetTree;
  readonly pool: WorkerPool;
  /** Ends the present threads and starts new ones with a second look at the index. */
  readonly secondPool: () => Promise<WorkerPool>;
  readonly totals: RestoreTotals;
}

export class RestoreRun {
  readonly #parts: RestoreRunParts;
  readonly #folders: FolderPlan;
  readonly #links = new HardLinks();
  readonly #leftOut = new LeftOut();
  /** Undefined where every name is one of its own. */
  readonly #folded: FoldedNames | undefined;
  readonly #chances = new SecondChances();
  #pool: WorkerPool;
  #bigFiles: BigFiles;
  readonly #writer = new SectionWriter();
  /** Folders of the copy that lead to what is wanted and were made already: the ones above the present one. */
  readonly #ancestors: Buffer[] = [];

  constructor(parts: RestoreRunParts) {
    this.#parts = parts;
    this.#folded =
      parts.request.existing !== "keep-both" && parts.target.foldsNames() ? new FoldedNames() : undefined;
    this.#folders = new FolderPlan(parts.target, this.#leftOut, (warning) => {
      this.#warn(warning);
    });
    this.#pool = parts.pool;
    this.#bigFiles = this.#newBigFiles();
  }

  /** @throws AppError when the restore as a whole cannot go on; then {@link abandon} follows. */
  async run(): Promise<void> {
    const { copy, request, readRecord, totals } = this.#parts;
    const pages = walkWhatIsLeft(readRecord, copy.table.root, {
      signal: request.signal,
      skip: (ref) => this.#isOutside(ref),
      onLost: (lost) => {
        this.#lost(lost);
      },
    });
    for await (const { sections } of pages) {
      for (const { directory, entries } of sections) await this.#section(directory, entries);
    }
    await this.#drain();
    await this.#tryAgain();
    await this.#makeLinks();
    this.#folders.finish();
    this.#tellWhatWasLeftOut();
    totals.folders = this.#folders.count;
  }

  /** Removes what is not complete, after the threads have ended. */
  abandon(): void {
    this.#bigFiles.abandonAll();
  }

  async #section(directory: Buffer, entries: readonly Entry[]): Promise<void> {
    const { include } = this.#parts.request;
    for (const entry of entries) {
      const path = include === undefined ? undefined : joinPath(directory, entry.name);
      const answer = path === undefined ? "inside" : include?.match(path, entry.kind);
      if (answer !== "inside") continue;
      if (include !== undefined) await this.#makeAncestors(directory);
      if (this.#isFolded(directory, entry)) continue;
      if (entry.kind === "directory") this.#folders.make(directory, entry);
      else await this.#entry(directory, entry);
    }
  }

  /** True, and a notice, when the target would take the entry for another one of the same folder. */
  #isFolded(directory: Buffer, { kind, name }: Entry): boolean {
    const earlier = this.#folded?.earlier(directory, name);
    if (earlier === undefined) return false;
    if (kind === "directory") this.#folders.leaveOut(directory, name);
    const path = joinPath(directory, name);
    const message =
      `${displayPath(path)}: left out, because the target takes its name for ${displayPath(earlier)}. ` +
      "Restore to another folder with `--existing keep-both` to have both.";
    this.#warn({ path, code: "ERR_TARGET", message });
    return true;
  }

  #tellWhatWasLeftOut(): void {
    for (const [kind, count] of this.#leftOut.drain()) {
      const message = leftOutSentence(kind, count);
      this.#notice({ path: Buffer.from("."), code: "ERR_UNSUPPORTED", message });
    }
  }

  async #entry(directory: Buffer, entry: Entry): Promise<void> {
    const folder = this.#folders.placeOf(directory);
    if (folder === undefined) return;
    const place = { folder, name: entry.name };
    if (entry.link !== undefined) {
      const path = joinPath(directory, entry.name);
      if (!this.#links.isFirst(entry.link, { place, path, kind: entry.kind })) return;
    }
    await this.#handOut(place, entry);
  }

  async #handOut(place: EntryPlace, entry: Entry): Promise<void> {
    if (entry.kind === "file" && isLarge(entry)) {
      await this.#bigFiles.restore(place, entry, (end) => {
        this.#bigFileEnded(end);
      });
      return;
    }
    this.#writer.add(place.folder, entry);
    if (this.#writer.count >= TASK_ENTRIES || this.#writer.contentBytes >= TASK_BYTES) await this.#flush();
  }

  async #flush(): Promise<void> {
    if (this.#writer.count === 0) return;
    const sections = this.#writer.finish();
    await this.#pool.submitEntries({ kind: "entries", sections }, (done) => {
      this.#received(done);
    });
  }

  async #drain(): Promise<void> {
    await this.#flush();
    await this.#pool.drain();
  }

  /** What could not be read is read once more, with an index that is as new and as complete as can be. */
  async #tryAgain(): Promise<void> {
    const entries = this.#chances.take();
    if (entries.length === 0) return;
    this.#pool = await this.#parts.secondPool();
    this.#bigFiles = this.#newBigFiles();
    for (const { section } of entries) {
      for (const { folder, entry } of readSections(section)) {
        await this.#handOut({ folder, name: entry.name }, entry);
      }
    }
    await this.#drain();
  }

  #newBigFiles(): BigFiles {
    const { target, readRecord, request, totals } = this.#parts;
    return new BigFiles(target, this.#pool, readRecord, request.signal, (bytes) => {
      totals.addBytes(bytes);
    });
  }

  #received(done: EntriesDone): void {
    const { totals } = this.#parts;
    for (const notice of done.notices) this.#notice(notice);
    for (const damaged of done.damaged) this.#damaged(damaged);
    for (const linked of done.linked) this.#links.settle(linked);
    for (const [kind, count] of done.leftOut) this.#leftOut.add(kind, count);
    totals.files += done.files;
    totals.skipped += done.skipped;
    totals.addBytes(done.bytes);
  }

  #bigFileEnded({ entry, place, outcome, problem, isDamaged }: BigFileEnd): void {
    if (problem !== undefined && isDamaged) {
      this.#damaged({ notice: problem, section: sectionOf(place.folder, entry) });
    } else if (problem !== undefined) {
      this.#notice(problem);
    }
    if (outcome !== undefined) this.#count(outcome);
    if (outcome !== undefined && isMade(outcome)) this.#leftOut.note(entry);
    if (entry.link === undefined) return;
    const linked =
      outcome !== undefined && isMade(outcome) ? { folder: place.folder, name: outcome.name } : undefined;
    this.#links.settle({ ...entry.link, place: linked });
  }

  #count(outcome: RestoreOutcome): void {
    const { totals } = this.#parts;
    for (const warning of outcome.warnings) this.#warn(warning);
    if (outcome.result === "skipped") totals.skipped += 1;
    else if (outcome.result !== "failed") totals.files += 1;
  }

  /** In rounds: where the first name did not come to be, the next one is restored in its stead. */
  async #makeLinks(): Promise<void> {
    let names = this.#links.takeLater();
    while (names.length > 0) {
      const waiting: LaterName[] = [];
      const asked = new Set<string>();
      for (const name of names) {
        if (this.#makeLink(name)) continue;
        if (asked.has(name.key)) {
          waiting.push(name);
          continue;
        }
        asked.add(name.key);
        await this.#restoreContent(name);
      }
      await this.#drain();
      names = waiting;
    }
  }

  /** False when there is nothing to link to, or the file system has no links. */
  #makeLink(name: LaterName): boolean {
    const first = this.#links.firstOf(name);
    if (first === undefined) return false;
    const outcome = this.#parts.target.makeHardLink(name.place, first, name.kind);
    if (outcome.result === "failed") return false;
    this.#count(outcome);
    return true;
  }

  async #restoreContent(name: LaterName): Promise<void> {
    const { copy, readRecord } = this.#parts;
    const entry = await lookup(readRecord, copy.table.root, name.path);
    if (entry !== undefined) await this.#handOut(name.place, entry);
  }

  /** Whether all of a part of the tree lies in a folder that is not wanted. */
  #isOutside({ child, end }: TreeRef): boolean {
    const { include } = this.#parts.request;
    if (include === undefined || child === undefined || end === undefined) return false;
    const { directory } = child.first;
    for (const folder of waysTo(directory)) {
      if (include.match(folder, "directory") === "outside") return isWithin(end.directory, folder);
    }
    return false;
  }

  /** Folders that only lead to what is wanted are made, with their metadata, once something wanted is in them. */
  async #makeAncestors(directory: Buffer): Promise<void> {
    const { copy, include } = { copy: this.#parts.copy, include: this.#parts.request.include };
    if (this.#ancestors.at(-1)?.equals(directory) === true) return;
    while (this.#ancestors.length > 0 && !isWithin(directory, this.#ancestors.at(-1) ?? directory)) {
      this.#ancestors.pop();
    }
    const known = this.#ancestors.at(-1)?.length ?? 0;
    for (const folder of waysTo(directory)) {
      if (folder.length <= known) continue;
      this.#ancestors.push(folder);
      const key = keyOf(folder);
      if (key === undefined || include?.match(folder, "directory") === "inside") continue;
      const entry = await lookup(this.#parts.readRecord, copy.table.root, folder);
      if (entry?.kind === "directory") this.#folders.make(key.directory, entry);
    }
  }

  #lost({ firstPath, entries, error }: LostPart): void {
    const { totals } = this.#parts;
    const count = entries === undefined ? "All entries" : `${String(entries)} entries`;
    totals.damaged += entries ?? 1;
    totals.notice({
      path: firstPath,
      code: "ERR_DAMAGED",
      message: `${count} from ${displayPath(firstPath)} on are lost. ${error.message}`,
    });
  }

  #warn({ path, code, message }: RestoreWarning): void {
    this.#parts.totals.notice({ path, code, message });
  }

  #damaged(entry: DamagedEntry): void {
    if (this.#chances.add(entry)) return;
    this.#parts.totals.damaged += 1;
    this.#notice(entry.notice);
  }

  #notice({ path, code, message }: Notice): void {
    this.#parts.totals.notice({ path: Buffer.from(path), code, message });
  }
}

function isMade({ result }: RestoreOutcome): boolean {
  return result !== "failed" && result !== "skipped";
}

function isLarge({ content, size }: FileEntry): boolean {
  return content.form === "list" || size > WHOLE_FILE_BYTES_MAX;
}

const SLASH = 0x2f;

/** The folder and those above it, from the top down. */
function* waysTo(folder: Buffer): Generator<Buffer> {
  for (let end = folder.indexOf(SLASH); end > 0; end = folder.indexOf(SLASH, end + 1)) {
    yield folder.subarray(0, end);
  }
  if (folder.length > 0) yield folder;
}
