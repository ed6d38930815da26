/**
 * Which places of a copy go into one archive, and what they are called in it.
 *
 * @module
 */
const SLASH = 0x2f;

export interface PackedPlaces {
  /** In order, none of them inside of another. */
  readonly places: readonly Buffer[];
  /** The folder that all of them are in; the archive does not name it. Empty: the top of the copy. */
  readonly folder: Buffer;
}

/** @param given paths without slashes around; the empty one is the whole copy. */
export function packedPlaces(given: readonly Buffer[]): PackedPlaces {
  const places: Buffer[] = [];
  // A folder comes before what is in it, also where names in between sort elsewhere.
  for (const path of given.toSorted((a, b) => a.length - b.length)) {
    if (!places.some((outer) => isInside(path, outer))) places.push(path);
  }
  return { places: places.toSorted((a, b) => Buffer.compare(a, b)), folder: commonFolder(places) };
}

/** The name in the archive of something that is in one of the places. */
export function nameInArchive(path: Buffer, { folder }: PackedPlaces): Buffer {
  return folder.length === 0 ? path : path.subarray(folder.length + 1);
}

function isInside(path: Buffer, outer: Buffer): boolean {
  if (outer.length === 0) return true;
  return path.subarray(0, outer.length).equals(outer) && (path[outer.length] ?? SLASH) === SLASH;
}

function commonFolder(places: readonly Buffer[]): Buffer {
  const [first = Buffer.alloc(0), ...others] = places.map(parentOf);
  let folder = first;
  while (folder.length > 0 && !others.every((other) => isInside(other, folder))) folder = parentOf(folder);
  return folder;
}

function parentOf(path: Buffer): Buffer {
  return path.subarray(0, Math.max(0, path.lastIndexOf(SLASH)));
}
