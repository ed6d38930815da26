import type { ObjectInfo } from "../contract.ts";

interface Change {
  readonly atMs: number;
  readonly kind: "put" | "delete";
  readonly info: ObjectInfo;
}

/** What was put and deleted when, so that a listing of the past can be shown. Several storages may share one. */
export class ListHistory {
  readonly #changes: Change[] = [];

  add(kind: Change["kind"], info: ObjectInfo, atMs: number): void {
    this.#changes.push({ atMs, kind, info });
  }

  /** The listing of `prefix` as it was at `atMs`, made from the present one. */
  listingAt(present: readonly ObjectInfo[], prefix: string, atMs: number): readonly ObjectInfo[] {
    const listing = new Map(present.map((info) => [info.name, info]));
    for (const change of this.#changes.toReversed()) {
      if (change.atMs <= atMs || !change.info.name.startsWith(prefix)) continue;
      if (change.kind === "put") listing.delete(change.info.name);
      else listing.set(change.info.name, change.info);
    }
    return [...listing.values()];
  }
}
