/**
 * Selection: the semantics of patterns are part of the plan format, so vectors pin them.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { suite, test } from "node:test";
import { isAppError } from "@holdfast/kernel";
import fc from "fast-check";
import type { EntryKind } from "../src/posix/entry-stat.ts";
import { parseExcludeFile } from "../src/selection/exclude-file.ts";
import { createInclusion, type InclusionAnswer } from "../src/selection/inclusion.ts";
import { createSelection } from "../src/selection/selection.ts";

const ROOT = Buffer.from("/home/ada");

function wants(exclude: readonly string[], entry: string | Buffer, kind: EntryKind = "file"): boolean {
  const selection = createSelection({ exclude, roots: [ROOT, Buffer.from("/srv/")] });
  return selection.wants(Buffer.from(entry), kind);
}

suite("selection", () => {
  const vectors: readonly (readonly [patterns: string, entry: string, kind: EntryKind, wanted: boolean])[] = [
    // A pattern without slash: a name at any depth.
    ["*.tmp", "/home/ada/a.tmp", "file", false],
    ["*.tmp", "/home/ada/deep/er/.tmp", "file", false],
    ["*.tmp", "/home/ada/a.tmp.txt", "file", true],
    ["*.tmp", "/home/ada/x.tmp/inside", "file", true],
    ["cache", "/home/ada/x/cache", "directory", false],
    ["cache", "/home/ada/x/Cache", "directory", true],
    ["**", "/home/ada/x", "file", false],
    // A slash inside: anchored at each path given.
    ["work/build", "/home/ada/work/build", "directory", false],
    ["work/build", "/srv/work/build", "directory", false],
    ["work/build", "/home/ada/x/work/build", "directory", true],
    ["./build", "/home/ada/build", "directory", false],
    ["./build", "/home/ada/x/build", "directory", true],
    ["work/*.o", "/home/ada/work/a.o", "file", false],
    ["work/*.o", "/home/ada/work/b/a.o", "file", true],
    ["work/**/*.o", "/home/ada/work/a.o", "file", false],
    ["work/**/*.o", "/home/ada/work/b/c/a.o", "file", false],
    ["**/node_modules", "/home/ada/node_modules", "directory", false],
    ["work/**", "/home/ada/work", "directory", true],
    ["work/**", "/home/ada/work/x", "file", false],
    // A slash in front: anchored at the root of the file system.
    ["/home/ada/work", "/home/ada/work", "directory", false],
    ["/ada", "/home/ada", "directory", true],
    ["/srv/*/tmp", "/srv/a/tmp", "directory", false],
    ["/srv/*/tmp", "/srv/a/b/tmp", "directory", true],
    // A slash at the end: folders only.
    ["build/", "/home/ada/x/build", "directory", false],
    ["build/", "/home/ada/x/build", "file", true],
    ["build/", "/home/ada/x/build", "symlink", true],
    // The last match decides.
    ["*.log !keep.log", "/home/ada/keep.log", "file", true],
    ["!keep.log *.log", "/home/ada/keep.log", "file", false],
    ["*.log !keep.log", "/home/ada/other.log", "file", false],
    // A path that was given itself is always wanted.
    ["ada", "/home/ada", "directory", true],
    ["ada", "/home/ada/ada", "directory", false],
    // Characters.
    ["[ab]?.c", "/home/ada/a1.c", "file", false],
    ["[!ab]?.c", "/home/ada/a1.c", "file", true],
    ["[!ab]?.c", "/home/ada/c1.c", "file", false],
    ["{one,two}.c", "/home/ada/two.c", "file", false],
    ["copy(1).c", "/home/ada/copy(1).c", "file", false],
    ["copy(1).c", "/home/ada/copy1.c", "file", true],
    ["a+", "/home/ada/a+", "file", false],
    ["a+", "/home/ada/aa", "file", true],
    ["[a]+", "/home/ada/a+", "file", false],
    ["*(a)", "/home/ada/aaa", "file", true],
    ["a|b", "/home/ada/a|b", "file", false],
    ["\\*", "/home/ada/*", "file", false],
    ["\\*", "/home/ada/x", "file", true],
    ["\\!x", "/home/ada/!x", "file", false],
    ["caf?", "/home/ada/café", "file", false],
    ["[éè]t", "/home/ada/ét", "file", false],
    ["a*b", "/home/ada/a\nb", "file", false],
    ["work/**/x", "/home/ada/work/a\nb/x", "file", false],
  ];
  for (const [patterns, entry, kind, wanted] of vectors) {
    test(`${JSON.stringify(patterns)} ${wanted ? "keeps" : "leaves out"} ${JSON.stringify(entry)} (${kind})`, () => {
      assert.equal(wants(patterns.split(" "), entry, kind), wanted);
    });
  }

  test("a name that is not UTF-8 is matched byte by byte", () => {
    const name = Buffer.concat([Buffer.from("/home/ada/é"), Buffer.from([0xff]), Buffer.from(".tmp")]);
    assert.equal(wants(["*.tmp"], name), false);
    assert.equal(wants(["é*"], name), false);
    assert.equal(wants(["é?.tmp"], name), false);
    assert.equal(wants(["e*"], name), true);
  });

  test("without patterns everything is wanted", () => {
    const selection = createSelection({});
    assert.equal(selection.everything, true);
    assert.equal(selection.wants(Buffer.from("/x"), "file"), true);
  });

  test("the root of the file system as the path given", () => {
    const selection = createSelection({ exclude: ["proc/", "var/tmp"], roots: [Buffer.from("/")] });
    assert.equal(selection.wants(Buffer.from("/var/tmp"), "directory"), false);
    assert.equal(selection.wants(Buffer.from("/proc"), "directory"), false);
    assert.equal(selection.wants(Buffer.from("/home/var/tmp"), "directory"), true);
  });

  test("one file system: folders of another device are kept but not entered", () => {
    const one = createSelection({ oneFileSystem: true });
    assert.equal(one.enters(5, 5), true);
    assert.equal(one.enters(6, 5), false);
    assert.equal(createSelection({}).enters(6, 5), true);
  });

  test("a literal name matches itself and nothing else", () => {
    const literal = fc.string({ unit: "grapheme", minLength: 1, maxLength: 12 }).filter((name) => {
      return !/[*?[\]{}\\/!\0]/u.test(name) && name !== "." && name !== ".." && name.isWellFormed();
    });
    fc.assert(
      fc.property(literal, literal, (pattern, name) => {
        const entry = Buffer.concat([ROOT, Buffer.from(`/${name}`)]);
        assert.equal(wants([pattern], entry), pattern !== name);
        assert.equal(wants([name], entry), false);
      }),
    );
  });

  for (const pattern of ["", "!", "/", "./", "..", "a/../b", "x".repeat(5000)]) {
    test(`refuses the pattern ${JSON.stringify(pattern.slice(0, 10))}`, () => {
      assert.throws(
        () => createSelection({ exclude: [pattern] }),
        (error) => isAppError(error, "ERR_USAGE"),
      );
    });
  }

  test("reads files of patterns", () => {
    assert.deepEqual(parseExcludeFile("\u{feff}a\r\n\n# no\n  b \n\\#c\n!d"), ["a", "  b", "\\#c", "!d"]);
    const folder = mkdtempSync(path.join(tmpdir(), "holdfast-selection-"));
    try {
      const file = path.join(folder, "patterns");
      writeFileSync(file, "*.tmp\n\\#x\n");
      const selection = createSelection({ excludeFiles: [file], roots: [ROOT] });
      assert.equal(selection.wants(Buffer.from("/home/ada/#x"), "file"), false);
      assert.equal(selection.wants(Buffer.from("/home/ada/y"), "file"), true);
      writeFileSync(file, Buffer.from([0xff, 0x0a]));
      assert.throws(
        () => createSelection({ excludeFiles: [file] }),
        (error) => isAppError(error, "ERR_USAGE"),
      );
      assert.throws(
        () => createSelection({ excludeFiles: [`${file}-missing`] }),
        (error) => isAppError(error, "ERR_USAGE"),
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

suite("inclusion", () => {
  const vectors: readonly (readonly [string, string, EntryKind, InclusionAnswer])[] = [
    ["/home/ada", "/home", "directory", "leads-to"],
    ["/home/ada", "/home/ada", "directory", "inside"],
    ["home/ada", "/home/ada/x/y", "file", "inside"],
    ["/home/ada", "/home/adam", "directory", "outside"],
    ["/home/ada", "/home/x", "file", "outside"],
    ["/home/ada", "", "directory", "leads-to"],
    ["/home/a*/docs", "/home/abc", "directory", "leads-to"],
    ["/home/a*/docs", "/home/bbc", "directory", "outside"],
    ["/home/a*/docs", "/home/abc/docs/x", "file", "inside"],
    ["/home/**/docs", "/home/x/y", "directory", "leads-to"],
    ["/{a,b/c}", "/b", "directory", "leads-to"],
    ["*.txt", "/any/where", "directory", "leads-to"],
    ["*.txt", "/any/where/a.txt", "file", "inside"],
    ["*.txt", "/any/where/a.bin", "file", "outside"],
    ["docs/", "/docs", "file", "outside"],
    ["./docs/", "/docs/a", "file", "inside"],
    ["home/ada !home/ada/tmp", "/home/ada/tmp/x", "file", "outside"],
    ["home/ada !home/ada/tmp", "/home/ada/x", "file", "inside"],
  ];
  for (const [patterns, entry, kind, answer] of vectors) {
    test(`${patterns}: ${entry} is ${answer}`, () => {
      assert.equal(createInclusion(patterns.split(" ")).match(Buffer.from(entry), kind), answer);
    });
  }

  test("without patterns everything is inside", () => {
    assert.equal(createInclusion([]).match(Buffer.from("/x"), "file"), "inside");
  });
});
