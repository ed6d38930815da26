import { ByteReader } from "@holdfast/kernel";
import { RECORD_TYPES } from "../packs/record-header.ts";
import { decodeList } from "../tree/content.ts";
import { entryRefs } from "../tree/entry.ts";
import { decodeNode } from "../tree/node.ts";
import { decodePage } from "../tree/page.ts";
import { recordSubject } from "../tree/records.ts";

/**
 * The ids that a list, page or node refers to, in `latin1`.
 *
 * @throws AppError `ERR_DAMAGED` when the plaintext breaks the format.
 */
export function refsOf(type: number, plaintext: Buffer, id: Buffer): ReadonlySet<string> {
  const ids = new Set<string>();
  const add = (ref: Buffer): void => {
    ids.add(ref.toString("latin1"));
  };
  if (type === RECORD_TYPES.list) {
    const list = decodeList(new ByteReader(plaintext, recordSubject("list", id)));
    if ("segments" in list) for (const segment of list.segments) if (segment.kind === "data") add(segment.id);
    if ("children" in list) for (const child of list.children) add(child.id);
  } else if (type === RECORD_TYPES.page) {
    const { sections } = decodePage(new ByteReader(plaintext, recordSubject("page", id)));
    for (const { entries } of sections)
      for (const entry of entries) for (const ref of entryRefs(entry)) add(ref);
  } else {
    for (const child of decodeNode(new ByteReader(plaintext, recordSubject("node", id))).children)
      add(child.id);
  }
  return ids;
}
