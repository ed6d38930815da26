/**
 * Where the paths of a copy are read from: the system's own places, or snapshots of volumes that stand in for them.
 *
 * @module
 */
import { currentPlatform } from "../platform/current-platform.ts";
import type { SourceMapping } from "../snapshots/snapshot-system.ts";
import type { PathText } from "./path-text.ts";

export class SourcePaths {
  readonly #mappings: readonly SourceMapping[];

  constructor(mappings: readonly SourceMapping[]) {
    // The longest comes first: a mapping inside another one counts.
    this.#mappings = mappings.toSorted((one, other) => other.path.length - one.path.length);
  }

  /** As the system's calls take it. */
  systemPath(path: PathText): Buffer {
    for (const { path: mapped, source } of this.#mappings) {
      if (path === mapped) return Buffer.from(source, "utf8");
      const below = mapped === "" ? path : path.slice(mapped.length + 1);
      if (mapped !== "" && !path.startsWith(`${mapped}/`)) continue;
      return currentPlatform().paths.below(Buffer.from(source, "utf8"), below);
    }
    return currentPlatform().paths.toSystem(path);
  }

  /** True where the way leaves the folder above: it is not to be reached through that. */
  isMapped(path: PathText): boolean {
    return this.#mappings.some((mapping) => mapping.path === path);
  }

  /** As the system's calls take a path that a person has given. */
  placeOf(path: Buffer): Buffer {
    const { paths } = currentPlatform();
    return this.#mappings.length === 0 ? paths.forCalls(path) : this.systemPath(paths.toTree(path));
  }
}
