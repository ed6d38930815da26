import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { nameInArchive, packedPlaces } from "../src/tasks/packed-places.ts";

function packed(...paths: readonly string[]) {
  const result = packedPlaces(paths.map((path) => Buffer.from(path)));
  return { folder: result.folder.toString(), places: result.places.map(String), result };
}

suite("places in one archive", () => {
  test("are told apart by the folder that they have in common", () => {
    const { folder, places, result } = packed("home/ann/x", "home/ben/deep/x", "home/ann/y");
    assert.deepEqual([folder, places], ["home", ["home/ann/x", "home/ann/y", "home/ben/deep/x"]]);
    assert.equal(nameInArchive(Buffer.from("home/ben/deep/x/file"), result).toString(), "ben/deep/x/file");
    assert.equal(packed("home/ann", "homes/ben").folder, "");
    assert.equal(packed("etc", "home/ann").folder, "");
  });

  test("one alone begins with its own name", () => {
    const { folder, result } = packed("home/ann/x");
    assert.equal(folder, "home/ann");
    assert.equal(nameInArchive(Buffer.from("home/ann/x/y"), result).toString(), "x/y");
    const top = packed("home");
    assert.equal(nameInArchive(Buffer.from("home/ann"), top.result).toString(), "home/ann");
  });

  test("are packed once each, also when one is inside of another", () => {
    assert.deepEqual(packed("a/b", "a", "a/b", "a.b", "a/b/c").places, ["a", "a.b"]);
    assert.deepEqual(packed("a/b", "").places, [""]);
    assert.deepEqual(packed("", "").folder, "");
  });
});
