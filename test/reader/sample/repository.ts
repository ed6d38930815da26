/**
 * Writes a small repository that has one of everything, for the tests of the reader. Like the reader it is written
 * from docs/format.md alone.
 *
 * @module
 */
import { argon2Sync, randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { le32 as u32, sha256 } from "../decode.ts";
import { expandSeed, hkdf, hmac, publicRoot } from "../keys.ts";
import { headOf, type Space, writeIndex, writeObject, writePack } from "./objects.ts";
import { ascii, blob, concat, kemSeal, ms, seal, u16, u8, varint } from "./seal.ts";
import { draftContent, draftTree, type PageDraft } from "./tree.ts";

function writeSlots(space: Space, root: Buffer, passphrase: Buffer, seed: Buffer): void {
  const [salt, memory, passes, parallelism] = [randomBytes(16), 8192, 1, 2];
  const kit = expandSeed(seed).publicKey;
  const openers = [
    concat([u8(1, 0, 0, 0), ms(), salt, u32(memory), u32(passes), u32(parallelism)]),
    concat([u8(2, 0, 0, 0), ms(), sha256(kit)]),
  ];
  for (const [index, opener] of openers.entries()) {
    const front = concat([headOf(space, 2), opener]);
    const key = argon2Sync("argon2id", {
      message: passphrase,
      nonce: salt,
      memory,
      passes,
      parallelism,
      tagLength: 32,
    });
    const rootBox = index === 0 ? seal(key, front, root) : kemSeal(kit, front, root);
    const labelBox = seal(space.tableKey, concat([ascii("holdfast/1/label"), front]), Buffer.from("a label"));
    writeObject(space, 2, "slots", opener, u16(rootBox.length), rootBox, u16(labelBox.length), labelBox);
  }
}

function writeConfig(space: Space): void {
  const sizes = [u32(262_144), u32(1_048_576), u32(8_388_608)];
  const before = concat([headOf(space, 1), u8(space.suite, 1, 0, 0), ms(), ...sizes, space.publicKey]);
  const mac = hmac(hkdf(space.tableKey, space.repository, "holdfast/1/config", 32), before);
  writeFileSync(join(space.folder, "config"), concat([before, mac, sha256(concat([before, mac]))]));
}

function writeCopy(space: Space, root: PageDraft): string {
  const { tableKey, envelope, sessionKey, repository } = space;
  const front = concat([headOf(space, 5), envelope]);
  const paths = ["/srv/a", "/srv/b"].map((path) => Buffer.from(path));
  const blobs = [blob("host"), ...paths.map(blob)];
  const group = hmac(tableKey, "holdfast/1/group", ...blobs).subarray(0, 16);
  const table = concat([
    u8(1),
    ms(),
    group,
    u8(5),
    root.page.id,
    varint(root.entries),
    varint(root.fileBytes),
    varint(1234),
  ]);
  const lists = [varint(2), ...paths.map(blob), varint(1), blob("tag")];
  const counts = [7, 3, 3, 1].map(varint);
  const read = concat([blob("host"), blob("name"), ...lists, blob("sample 1"), ms(), ...counts]);
  const tableBox = seal(tableKey, concat([ascii("holdfast/1/copy/table"), front]), table);
  const readKey = hkdf(sessionKey, repository, "holdfast/1/copy", 32);
  const readBox = seal(readKey, concat([ascii("holdfast/1/copy/read"), front, sha256(table)]), read);
  return writeObject(
    space,
    5,
    "copies",
    envelope,
    u32(tableBox.length),
    tableBox,
    u32(readBox.length),
    readBox,
  );
}

function writeSessionAndCleaning(space: Space): void {
  const front = concat([headOf(space, 6), space.session, u8(1), Buffer.alloc(7), ms(), ms()]);
  const who = concat([blob("host"), blob("boot"), varint(300), blob("start")]);
  const box = seal(space.tableKey, concat([ascii("holdfast/1/session-object"), front]), who);
  const before = concat([front, u32(box.length), box]);
  mkdirSync(join(space.folder, "sessions"));
  writeFileSync(
    join(space.folder, "sessions", `${space.session.toString("hex")}.000001`),
    concat([before, sha256(before)]),
  );
  const context = concat([ascii("holdfast/1/condemned"), headOf(space, 7)]);
  const condemned = seal(space.tableKey, context, concat([ms(), u32(1), randomBytes(32)]));
  const name = writeObject(space, 7, "condemned", u32(condemned.length), condemned);
  const waiting = concat([ms(), Buffer.from(name, "hex"), u8(0), u32(1), space.session]);
  const wait = seal(space.tableKey, concat([ascii("holdfast/1/wait"), headOf(space, 8)]), waiting);
  writeObject(space, 8, "waits", u32(wait.length), wait);
}

/** Writes the repository; with suite 0 it has no slots. Returns the id of its copy, which has 13 entries. */
export function writeSample(folder: string, suite: number, passphrase: Buffer, seed: Buffer): string {
  const repository = randomBytes(16);
  const root = suite === 0 ? publicRoot(repository) : randomBytes(32);
  const derive = (name: string): Buffer => hkdf(root, repository, `holdfast/1/${name}`, 32);
  const publicKey = expandSeed(derive("kem")).publicKey;
  const [session, sessionKey] = [randomBytes(16), randomBytes(32)];
  const sealed = kemSeal(publicKey, concat([ascii("holdfast/1/session"), repository, session]), sessionKey);
  const envelope = concat([session, sealed]);
  const [idKey, tableKey] = [derive("id"), derive("table")];
  const space = { folder, repository, suite, idKey, tableKey, publicKey, session, sessionKey, envelope };
  mkdirSync(folder, { recursive: true });
  writeConfig(space);
  if (suite !== 0) writeSlots(space, root, passphrase, seed);
  writeSessionAndCleaning(space);
  const content = draftContent(idKey);
  const tree = draftTree(content);
  const packs = [
    writePack(space, 1, content.drafts, 0n),
    writePack(space, 2, [...content.lists, ...tree.drafts], 1000n),
  ];
  const old = writeIndex(space, packs.slice(0, 1), []);
  writeIndex(space, packs, [old]);
  return writeCopy(space, tree.root);
}
