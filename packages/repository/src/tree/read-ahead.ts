/**
 * Overlaps the reading of records with the work on the ones before.
 *
 * @module
 */

export interface ReadRef<Ref> {
  readonly ref: Ref;
  readonly plaintext: Buffer;
}

/** Reads what `refs` names, in order, up to `ahead` records before they are asked for. */
export async function* readAhead<Ref>(
  refs: AsyncIterable<Ref>,
  ahead: number,
  read: (ref: Ref) => Promise<Buffer>,
): AsyncGenerator<ReadRef<Ref>, void, undefined> {
  const started: { readonly ref: Ref; readonly plaintext: Promise<Buffer> }[] = [];
  for await (const ref of refs) {
    const plaintext = read(ref);
    // A failure is reported when its turn comes, or not at all when the caller stops before.
    plaintext.catch(() => undefined);
    started.push({ ref, plaintext });
    if (started.length <= ahead) continue;
    const first = started.shift();
    if (first !== undefined) yield { ref: first.ref, plaintext: await first.plaintext };
  }
  for (const { ref, plaintext } of started) yield { ref, plaintext: await plaintext };
}
