/**
 * The other half of the proof of docs/format.md: what is written from the document alone, the engine reads, and finds
 * right in every byte. What only writers and cleaners read is in it, which the second reader passes over: labels of slots,
 * refs boxes, the index with its filter, the group of a copy, sessions, condemned packs, waits.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { SUITES } from "@holdfast/crypto";
import {
  groupOf,
  labelOf,
  listSlots,
  openCopyReader,
  openRepository,
  verifyRepository,
} from "@holdfast/repository";
import { fixturePorts } from "@holdfast/repository/fixture-writer";
import { decodeCondemned, decodeSessionBeat, decodeWait } from "@holdfast/repository/format-parts";
import { restoreFiles } from "@holdfast/sources";
import { openLocalStorage } from "@holdfast/storage";
import { writeSample } from "./sample/repository.ts";
import { SAMPLE_CONTENTS } from "./sample/tree.ts";

const ALL = ["write", "maintain", "read"] as const;
const passphrase = Buffer.from("passphrase");

suite("a repository that was written from the document", () => {
  for (const { code, name } of SUITES.filter((each) => [0, 3, 5].includes(each.code))) {
    test(`is read, verified and restored by the engine with suite ${name}`, async (context) => {
      const folder = mkdtempSync(join(tmpdir(), "holdfast-sample-"));
      context.after(() => rmSync(folder, { recursive: true, force: true }));
      const [from, target] = [join(folder, "repository"), join(folder, "target")];
      const copyId = writeSample(from, code, passphrase, randomBytes(32));
      const ports = fixturePorts(await openLocalStorage(from));
      const key = code === 0 ? undefined : ({ kind: "passphrase", passphrase } as const);
      const repository = await openRepository(ports, key, ALL);
      const verified = await verifyRepository(repository, { readData: true });
      assert.deepEqual(verified.damaged, []);
      using reader = await openCopyReader(repository);
      const { copies, damaged } = await reader.listCopies();
      const [copy] = copies;
      assert(copy !== undefined && copies.length === 1 && damaged.length === 0);
      assert.equal(copy.id, copyId);
      const { host, paths } = copy.details;
      const { tableKey, repository: id } = repository.keys;
      assert.deepEqual(copy.table.group, groupOf(tableKey, host, paths));
      await restoreFiles(repository, { copy, target, existing: "skip" });
      for (const [path, bytes] of SAMPLE_CONTENTS) assert.deepEqual(readFileSync(join(target, path)), bytes);

      const object = (kind: string): readonly [Buffer, string, Buffer, Buffer] => {
        const [found = assert.fail(kind), ...others] = readdirSync(join(from, kind));
        assert.equal(others.length, 0);
        return [readFileSync(join(from, kind, found)), `${kind}/${found}`, id, tableKey];
      };
      const session = decodeSessionBeat(...object("sessions"));
      assert.deepEqual(
        [session.role, session.process],
        ["writer", { host: "host", bootId: "boot", processId: 300, startTime: "start" }],
      );
      const condemned = decodeCondemned(...object("condemned"));
      assert.equal(condemned.packs.length, 1);
      const wait = decodeWait(...object("waits"));
      assert.deepEqual(
        [wait.condemned, wait.isDone, wait.sessions],
        [condemned.name, false, [session.session.toString("hex")]],
      );
      const { slots } = await listSlots(ports.storage, id);
      assert.deepEqual(
        slots.map((slot) => labelOf(slot, tableKey)),
        code === 0 ? [] : ["a label", "a label"],
      );
    });
  }
});
