/**
 * Damage to config, slots, manifests and session objects.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { DamageKind } from "./damage-kind.ts";
import { type RepositoryInHand, sha256 } from "./repository-in-hand.ts";

/** Fields of the config: where they begin and end. */
const CONFIG_FIELDS = {
  magic: [0, 4],
  kind: [4, 5],
  version: [5, 6],
  "reserved, in its head": [6, 8],
  repository: [8, 24],
  suite: [24, 25],
  KEM: [25, 26],
  reserved: [26, 28],
  time: [28, 36],
  "chunk sizes": [36, 48],
  "public key": [48, 1264],
  "authentication code": [1264, 1296],
  checksum: [1296, 1328],
} as const;

function withChecksum(bytes: Buffer): Buffer {
  return Buffer.concat([bytes.subarray(0, -32), sha256(bytes.subarray(0, -32))]);
}

function flipSomewhere(r: RepositoryInHand, name: string): void {
  r.flip(name, 0, r.read(name).length);
}

function slotOf(r: RepositoryInHand, kind: 1 | 2): string {
  const name = r.sample.objects.own.find(
    (one) => one.startsWith("slots/") && r.read(one).readUInt8(24) === kind,
  );
  assert(name !== undefined);
  return name;
}

const configKinds: readonly DamageKind[] = [
  ...Object.entries(CONFIG_FIELDS).map(
    ([field, [start, end]]): DamageKind => ({
      name: `a bit flipped in the config: ${field}`,
      apply: (r) => {
        r.flip("config", start, end);
        return { refused: "ERR_DAMAGED", objects: ["config"] };
      },
    }),
  ),
  {
    name: "config cut short",
    apply: (r) => {
      r.write("config", r.read("config").subarray(0, r.random.below(1328)));
      return { refused: "ERR_DAMAGED", objects: ["config"] };
    },
  },
  {
    name: "config removed",
    apply: (r) => {
      r.remove("config");
      return { refused: "ERR_REPOSITORY_MISSING", objects: ["config"] };
    },
  },
  {
    name: "public key in the config exchanged, its checksum made anew",
    apply: (r) => {
      const bytes = r.read("config");
      r.random.bytes(1216).copy(bytes, 48);
      r.write("config", withChecksum(bytes));
      return { refused: "ERR_DAMAGED", objects: [] };
    },
  },
  {
    name: "suite in the config set to none, its checksum made anew; opened with the key",
    encryptedOnly: true,
    apply: (r) => {
      const bytes = r.read("config");
      bytes.writeUInt8(0, 24);
      r.write("config", withChecksum(bytes));
      return { refused: "ERR_NOT_ENCRYPTED", objects: [] };
    },
  },
  {
    name: "suite in the config set to none, its checksum made anew; opened without a key",
    encryptedOnly: true,
    apply: (r) => {
      const bytes = r.read("config");
      bytes.writeUInt8(0, 24);
      r.write("config", withChecksum(bytes));
      return { refused: "ERR_DAMAGED", key: "none", objects: [] };
    },
  },
  {
    name: "suite in the config set to another one, its checksum made anew",
    everySuite: true,
    encryptedOnly: true,
    apply: (r) => {
      const bytes = r.read("config");
      bytes.writeUInt8((bytes.readUInt8(24) % 6) + 1, 24);
      r.write("config", withChecksum(bytes));
      return { refused: "ERR_DAMAGED", objects: [] };
    },
  },
  {
    name: "config replaced by that of another repository",
    encryptedOnly: true,
    apply: (r) => {
      const bytes = r.read("config");
      r.random.bytes(16).copy(bytes, 8);
      r.write("config", withChecksum(bytes));
      // Every object then belongs to another repository than the config says.
      return { refused: "ERR_DAMAGED", objects: [...allBut(r, "config")] };
    },
  },
];

function allBut(r: RepositoryInHand, ...left: readonly string[]): string[] {
  return Object.values(r.sample.objects)
    .flat()
    .filter((name) => !left.includes(name))
    .toSorted();
}

const slotKinds: readonly DamageKind[] = [
  {
    name: "a bit flipped in one of two slots; opened with the other's key",
    encryptedOnly: true,
    apply: (r) => {
      const slot = slotOf(r, 1);
      flipSomewhere(r, slot);
      return { objects: [slot], withoutKeys: [slot] };
    },
  },
  {
    name: "a bit flipped in a slot; opened with its own key",
    encryptedOnly: true,
    apply: (r) => {
      const slot = slotOf(r, 1);
      flipSomewhere(r, slot);
      return { refused: "ERR_DAMAGED", key: "passphrase", objects: [slot] };
    },
  },
  {
    name: "slot cut short; opened with its own key",
    encryptedOnly: true,
    apply: (r) => {
      const slot = slotOf(r, 1);
      r.write(slot, r.read(slot).subarray(0, r.random.below(100)));
      return { refused: "ERR_DAMAGED", key: "passphrase", objects: [slot] };
    },
  },
  {
    name: "front of a slot changed, its name made anew",
    encryptedOnly: true,
    apply: (r) => {
      const slot = slotOf(r, 1);
      const bytes = r.read(slot);
      // The salt of Argon2id.
      bytes.writeUInt8(bytes.readUInt8(40) ^ 1, 40);
      return { objects: [r.replace(slot, bytes)] };
    },
  },
  {
    name: "root box of a slot changed, its name made anew; opened with its own key",
    encryptedOnly: true,
    apply: (r) => {
      const slot = slotOf(r, 1);
      const bytes = r.read(slot);
      const at = 66 + r.random.below(64);
      bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
      r.replace(slot, bytes);
      // Salt and commitment: nobody can tell another key from this.
      return { refused: "ERR_KEY_WRONG", key: "passphrase", objects: [] };
    },
  },
  {
    name: "slot removed; opened with its own key",
    encryptedOnly: true,
    apply: (r) => {
      r.remove(slotOf(r, 1));
      return { refused: "ERR_KEY_WRONG", key: "passphrase", objects: [] };
    },
  },
  {
    name: "all slots removed",
    encryptedOnly: true,
    apply: (r) => {
      for (const slot of [slotOf(r, 1), slotOf(r, 2)]) r.remove(slot);
      return { refused: "ERR_DAMAGED", objects: [] };
    },
  },
];

/** Manifests: front 24 + 1248, then u32 and table box, u32 and read box. */
function manifestParts(
  bytes: Buffer,
): Record<"head" | "envelope" | "table" | "read", readonly [number, number]> {
  const table = 1276 + bytes.readUInt32LE(1272);
  return { head: [0, 24], envelope: [24, 1272], table: [1272, table], read: [table, bytes.length] };
}

function manifestKind(part: "head" | "envelope" | "table" | "read"): DamageKind {
  return {
    name: `a bit flipped in a manifest: ${part}`,
    apply: (r) => {
      const name = r.object("copies");
      r.flip(name, ...manifestParts(r.read(name))[part]);
      return { objects: [name], withoutKeys: [name], lostCopies: [r.sample.copies.first] };
    },
  };
}

/** Under a name that fits, so that only what is inside can tell. */
function renamedManifestKind(part: "envelope" | "table" | "read"): DamageKind {
  return {
    name: `a bit flipped in a manifest, its name made anew: ${part}`,
    apply: (r) => {
      const name = r.object("copies");
      const [start, end] = manifestParts(r.read(name))[part];
      r.flip(name, start, end);
      const renamed = r.replace(name, r.read(name));
      return {
        objects: [renamed],
        lostCopies: [renamed.slice("copies/".length), r.sample.copies.first],
      };
    },
  };
}

const manifestKinds: readonly DamageKind[] = [
  ...(["head", "envelope", "table", "read"] as const).map(manifestKind),
  ...(["envelope", "table", "read"] as const).map(renamedManifestKind),
  {
    name: "manifest cut short",
    apply: (r) => {
      const name = r.object("copies");
      const bytes = r.read(name);
      r.write(name, bytes.subarray(0, r.random.below(bytes.length)));
      return { objects: [name], lostCopies: [r.sample.copies.first] };
    },
  },
  {
    name: "two manifests exchanged",
    apply: (r) => {
      const [one, other] = [r.object("copies"), r.object("copies", "other")];
      r.exchange(one, other);
      return { objects: [one, other].toSorted(), lostCopies: [r.sample.copies.first, r.sample.copies.other] };
    },
  },
  {
    name: "read boxes of two manifests exchanged, their names made anew",
    apply: (r) => {
      const names = [r.object("copies"), r.object("copies", "second")];
      const parts = names.map((name) => {
        const bytes = r.read(name);
        const [start] = manifestParts(bytes).read;
        return { name, before: bytes.subarray(0, start), read: bytes.subarray(start) };
      });
      const swapped = parts.map(({ name, before }, index) =>
        r.replace(name, Buffer.concat([before, parts[1 - index]?.read ?? Buffer.alloc(0)])),
      );
      const ids = [...names, ...swapped].map((name) => name.slice("copies/".length));
      return { objects: swapped.toSorted(), lostCopies: ids };
    },
  },
  {
    name: "manifest removed: nobody can see that it was there",
    apply: (r) => {
      r.remove(r.object("copies"));
      return { objects: [], lostCopies: [r.sample.copies.first] };
    },
  },
];

const otherKinds: readonly DamageKind[] = [
  {
    name: "manifest of another repository added",
    apply: (r) => {
      const name = r.add("copies", r.sample.foreign.copies);
      return { objects: [name], lostCopies: [name.slice("copies/".length)] };
    },
  },
  {
    name: "a bit flipped in a session object",
    apply: (r) => {
      const session = r.object("sessions", "own");
      flipSomewhere(r, session);
      return { objects: [session], withoutKeys: [session] };
    },
  },
  {
    name: "a bit flipped in a session object, its checksum made anew",
    apply: (r) => {
      const session = r.object("sessions", "own");
      // From the times on: behind what says which object it is.
      r.flip(session, 48, r.read(session).length - 32);
      r.write(session, withChecksum(r.read(session)));
      return { objects: [session], withoutKeys: [] };
    },
  },
  ...(["slots", "copies", "condemned", "waits", "index"] as const).map(
    (folder): DamageKind => ({
      name: `an object of another kind in ${folder}/, by the name that it has`,
      encryptedOnly: true,
      apply: (r) => {
        const bytes = r.read(folder === "copies" ? slotOf(r, 1) : r.object("copies"));
        const name = r.add(folder, bytes);
        const lostCopies = folder === "copies" ? { lostCopies: [name.slice("copies/".length)] } : {};
        return { objects: [name], withoutKeys: [name], ...lostCopies };
      },
    }),
  ),
  {
    name: "session object cut short",
    apply: (r) => {
      const session = r.object("sessions", "own");
      r.write(session, r.read(session).subarray(0, r.random.below(100)));
      return { objects: [session] };
    },
  },
  {
    name: "strange files between the objects",
    apply: (r) => {
      r.write("packs/aa/.something.tmp", r.random.bytes(100));
      r.write("packs/notes", r.random.bytes(100));
      r.write("copies/README", r.random.bytes(100));
      r.write(`index/${"A".repeat(64)}`, r.random.bytes(100));
      return { objects: [] };
    },
  },
];

export const smallKinds: readonly DamageKind[] = [
  ...configKinds,
  ...slotKinds,
  ...manifestKinds,
  ...otherKinds,
];
