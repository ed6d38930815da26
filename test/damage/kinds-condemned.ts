/**
 * Damage to what clean-ups leave for each other: condemned objects and waits (docs/format.md, section 9).
 *
 * @module
 */
import { le32 as u32, le64 as u64 } from "../reader/decode.ts";
import { headOf } from "../reader/sample/objects.ts";
import { ascii, concat, seal, u8 } from "../reader/sample/seal.ts";
import type { DamageKind } from "./damage-kind.ts";
import { type RepositoryInHand, sha256 } from "./repository-in-hand.ts";

const FOLDERS = { condemned: "condemned", wait: "waits" } as const;
const CODES = { condemned: 7, wait: 8 } as const;
type Kind = keyof typeof FOLDERS;

/** Of a pack, and of a session, that are gone already. @param counted how many there are said to be. */
function add(r: RepositoryInHand, kind: Kind, counted = 1): string {
  const head = headOf(r.keys, CODES[kind]);
  const time = u64(BigInt(Date.now()));
  const inner = {
    condemned: () => concat([time, u32(counted), r.random.bytes(32)]),
    wait: () => concat([time, sha256(r.random.bytes(1)), u8(0), u32(counted), r.random.bytes(16)]),
  }[kind]();
  const box = seal(r.keys.table, concat([ascii(`holdfast/1/${kind}`), head]), inner);
  return r.add(FOLDERS[kind], concat([head, u32(box.length), box]));
}

function kindsOf(kind: Kind): readonly DamageKind[] {
  const what = kind === "wait" ? "a wait" : "a condemned object";
  return [
    {
      name: `a bit flipped in ${what}`,
      apply: (r) => {
        const name = add(r, kind);
        r.flip(name, 0, r.read(name).length);
        return { objects: [name], withoutKeys: [name] };
      },
    },
    {
      name: `a bit flipped in the box of ${what}, its name made anew`,
      apply: (r) => {
        const name = add(r, kind);
        r.flip(name, 28, r.read(name).length);
        return { objects: [r.replace(name, r.read(name))], withoutKeys: [] };
      },
    },
    {
      name: `${what} that says to name more than it does, sealed anew`,
      apply: (r) => ({ objects: [add(r, kind, 2)], withoutKeys: [] }),
    },
    {
      name: `${what} that is whole, which is no damage`,
      apply: (r) => {
        add(r, kind);
        return { objects: [], withoutKeys: [] };
      },
    },
  ];
}

export const condemnedKinds: readonly DamageKind[] = [...kindsOf("condemned"), ...kindsOf("wait")];
