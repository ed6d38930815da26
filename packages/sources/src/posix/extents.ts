/**
 * Where an open sparse file has data: SEEK_DATA and SEEK_HOLE of lseek(2).
 *
 * @module
 */
import { ERRNO } from "./errno.ts";
import { nativeBinding } from "./native-binding.ts";

export interface Extent {
  readonly offset: number;
  readonly length: number;
}

const SEEK_SET = 0;
const SEEK_DATA = 3;
const SEEK_HOLE = 4;

/**
 * The parts between `from` and `size` that have data, in order; everything between them reads as zeros. One extent over
 * everything where holes cannot be seen. Moves the descriptor's position: read with explicit offsets.
 */
export function* dataExtents(fd: number, size: number, from = 0): Generator<Extent, void, undefined> {
  const binding = nativeBinding();
  if (typeof binding === "string") {
    if (size > from) yield { offset: from, length: size - from };
    return;
  }
  let position = from;
  while (position < size) {
    const start = binding.lseek(fd, position, SEEK_DATA);
    if (start < 0) {
      // ENXIO: no data from here to the end. Any other answer: holes cannot be seen here, so all of it is data.
      if (binding.errno() !== ERRNO.ENXIO) yield { offset: position, length: size - position };
      break;
    }
    if (start >= size) break;
    const found = binding.lseek(fd, start, SEEK_HOLE);
    // A file that shrinks meanwhile has no hole to find; the reader will notice.
    const end = found <= start ? size : Math.min(found, size);
    yield { offset: start, length: end - start };
    position = end;
  }
  binding.lseek(fd, 0, SEEK_SET);
}

/** POSIX_FADV_* of Linux. */
const ADVICE = { sequential: 2, willNeed: 3, dontNeed: 4 } as const;

/** Tells the kernel how a file will be read; has no effect where it cannot. A length of 0 means to the end. */
export function adviseReading(fd: number, advice: keyof typeof ADVICE, offset = 0, length = 0): void {
  const binding = nativeBinding();
  if (typeof binding !== "string") binding.fadvise(fd, offset, length, ADVICE[advice]);
}
