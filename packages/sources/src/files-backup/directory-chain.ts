/**
 * The directories from the root down to the one that is being read, held open: each is opened by its name in the one above, so
 * that neither the length of a path matters nor a symbolic link that somebody puts in a directory's place meanwhile.
 *
 * Only above the paths that were asked for, links are followed: a person has named them.
 *
 * @module
 */
import { closeDirectory, openDirectory, openTopDirectory } from "../posix/directory.ts";
import { ERRNO } from "../posix/errno.ts";
import type { DirectoryHandle } from "../posix/file-calls.ts";
import { type AskedPath, isInsideAsked } from "./asked-paths.ts";
import { childPath, type PathText, toBytes } from "./path-text.ts";
import type { SourcePaths } from "./source-paths.ts";

/** Directories held open by one thread; those above are opened again when the walk comes back to them. */
const OPEN_MAX = 64;

interface Link {
  readonly name: PathText;
  readonly path: PathText;
  handle: DirectoryHandle | undefined;
}

export class DirectoryChain {
  readonly #asked: AskedPath;
  readonly #places: SourcePaths;
  readonly #links: Link[] = [];
  #open = 0;

  constructor(asked: AskedPath, places: SourcePaths) {
    this.#asked = asked;
    this.#places = places;
  }

  /** Opens a directory, or gives the negated error number. The handle is valid until the next call. */
  enter(path: PathText): DirectoryHandle | number {
    const names = path === "" ? [] : path.split("/");
    this.#keep(names);
    for (const name of names.slice(this.#links.length - 1)) {
      const parent = this.#links.at(-1)?.path ?? "";
      this.#links.push({ name, path: childPath(parent, name), handle: undefined });
    }
    return this.#handleAt(this.#links.length - 1);
  }

  close(): void {
    while (this.#links.length > 0) this.#drop();
  }

  /** Leaves every directory that the path to be entered does not lead through. */
  #keep(names: readonly PathText[]): void {
    if (this.#links.length === 0) this.#links.push({ name: "", path: "", handle: undefined });
    let common = 0;
    while (common < names.length && this.#links[common + 1]?.name === names[common]) common += 1;
    while (this.#links.length > common + 1) this.#drop();
  }

  #drop(): void {
    const link = this.#links.pop();
    if (link !== undefined) this.#close(link);
  }

  #close(link: Link): void {
    if (link.handle === undefined) return;
    closeDirectory(link.handle);
    link.handle = undefined;
    this.#open -= 1;
  }

  /** Opens downwards from the nearest directory that is open. */
  #handleAt(depth: number): DirectoryHandle | number {
    let from = depth;
    while (from > 0 && this.#links[from]?.handle === undefined) from -= 1;
    for (let at = from; at <= depth; at += 1) {
      const link = this.#links[at];
      if (link === undefined || link.handle !== undefined) continue;
      const handle = this.#openLink(link, this.#links[at - 1]?.handle);
      if (typeof handle === "number") return handle;
      link.handle = handle;
      this.#open += 1;
      if (this.#open > OPEN_MAX) this.#closeShallowest(at);
    }
    return this.#links[depth]?.handle ?? -ERRNO.ENOENT;
  }

  #openLink(link: Link, parent: DirectoryHandle | undefined): DirectoryHandle | number {
    const isNamed = !isInsideAsked(this.#asked, link.path) || this.#places.isMapped(link.path);
    if (isNamed || link.path === "" || parent === undefined) {
      return openTopDirectory(this.#places.systemPath(link.path));
    }
    return openDirectory(parent, toBytes(link.name));
  }

  /** The root and the deepest ones stay. */
  #closeShallowest(deepest: number): void {
    for (let at = 1; at < deepest; at += 1) {
      const link = this.#links[at];
      if (link?.handle === undefined) continue;
      this.#close(link);
      return;
    }
  }
}
