/**
 * What Windows says, taken apart: by samples put together from the documentation of Win32 and the Open Specifications, for
 * lack of a machine with Windows.
 */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import {
  ATTRIBUTE,
  ATTRIBUTE_DATA_BYTES,
  decodeAttributeData,
  fromFileTime,
  toFileTime,
} from "../src/platform/windows/file-attributes.ts";
import { belowPath, toLongPath, toTreeText, WINDOWS_PATHS } from "../src/platform/windows/paths.ts";
import { reparseKindOf } from "../src/platform/windows/reparse-points.ts";
import { informationToSet, parseSecurityDescriptor } from "../src/platform/windows/security-descriptor.ts";
import { decodeStreamData, isStreamName } from "../src/platform/windows/streams.ts";
import { explainOnWindows } from "../src/platform/win32.ts";
import { ERRNO } from "../src/posix/errno.ts";
import { acl, descriptor, junctionPoint, sid, streamData, symlinkPoint } from "./windows-samples.ts";

const raw = String.raw;
const { resolve: resolved, shown } = WINDOWS_PATHS;

suite("paths of Windows", () => {
  const cases: readonly (readonly [given: string, tree: string, long: string])[] = [
    ["C:\\", "C", "\\\\?\\C:\\"],
    ["c:", "C", "\\\\?\\C:\\"],
    [raw`c:\Users\ann`, "C/Users/ann", raw`\\?\C:\Users\ann`],
    [raw`C:/Users//ann/`, "C/Users/ann", raw`\\?\C:\Users\ann`],
    [raw`C:\a\.\b\..\c`, "C/a/c", raw`\\?\C:\a\c`],
    [raw`C:\..\..\x`, "C/x", raw`\\?\C:\x`],
    [raw`\\?\D:\deep`, "D/deep", raw`\\?\D:\deep`],
    [raw`\\server\share`, "UNC/server/share", "\\\\?\\UNC\\server\\share\\"],
    [raw`\\server\share\..\..\x`, "UNC/server/share/x", raw`\\?\UNC\server\share\x`],
    [raw`\\?\UNC\server\share\a b`, "UNC/server/share/a b", raw`\\?\UNC\server\share\a b`],
    [raw`C:\Ärger\日本`, "C/Ärger/日本", raw`\\?\C:\Ärger\日本`],
  ];
  for (const [given, tree, long] of cases) {
    test(`${given} stands in a copy as ${tree}`, () => {
      assert.equal(toTreeText(given), tree);
      assert.equal(toLongPath(tree), long);
      assert.equal(toTreeText(long), tree);
    });
  }

  test("above drives and shares there is nothing to open", () => {
    for (const tree of ["", "UNC", "UNC/server", "Users"]) assert.equal(toLongPath(tree), `virtual?${tree}`);
  });

  test("entries are reached from the folder above, also from where there is none", () => {
    assert.equal(belowPath("virtual?", "C"), "\\\\?\\C:\\");
    assert.equal(belowPath("\\\\?\\C:\\", "Users"), raw`\\?\C:\Users`);
    assert.equal(belowPath(raw`\\?\C:\Users`, "ann"), raw`\\?\C:\Users\ann`);
    assert.equal(belowPath("virtual?UNC/server", "share"), "\\\\?\\UNC\\server\\share\\");
  });

  test("are shown as people write them", () => {
    assert.equal(shown("C/Users"), raw`C:\Users`);
    assert.equal(shown("UNC/s/t/x"), raw`\\s\t\x`);
  });

  test("are resolved by the rules of Windows", () => {
    const resolve = (folder: string, path: string): string =>
      resolved(Buffer.from(folder), Buffer.from(path)).toString();
    assert.equal(resolve(raw`C:\work`, raw`..\x`), raw`C:\x`);
    assert.equal(resolve(raw`C:\work`, raw`\\s\t\x`), raw`\\s\t\x`);
  });

  test("of any length and shape come back", () => {
    const name = fc.stringMatching(/^[A-Za-z0-9 äß日_-]{1,40}$/u).filter((text) => text.trim() === text);
    const paths = fc.array(name, { maxLength: 60 }).map((names) => ["Q", ...names].join("/"));
    fc.assert(
      fc.property(paths, (tree) => toTreeText(toLongPath(tree)) === tree),
      { seed: 7 },
    );
  });
});

suite("names on Windows", () => {
  const bad = [
    raw`a\b`,
    "a:b",
    "a:$DATA",
    "C:",
    "a*",
    "what?",
    "a\u0001",
    "end.",
    "end ",
    "NUL",
    "con",
    "Com1.txt",
    "LPT¹",
    "AUX .x",
    "\u{fffd}",
    "x".repeat(256),
  ];
  const nameProblem = (name: string): string | undefined => WINDOWS_PATHS.nameProblem(Buffer.from(name));
  for (const name of bad) {
    test(`${JSON.stringify(name.slice(0, 20))} cannot be`, () => {
      assert.notEqual(nameProblem(name), undefined);
    });
  }

  test("others can be", () => {
    for (const name of ["a", "console", "COM10", "nul-", ".git", "a.b.c", "Ärger", "x".repeat(255)]) {
      assert.equal(nameProblem(name), undefined, name);
    }
  });

  test("what is no UTF-8 cannot be", () => {
    assert.notEqual(WINDOWS_PATHS.nameProblem(Buffer.of(0x61, 0xff)), undefined);
  });

  test("none that can be leads out of its folder", () => {
    const hasProblem = (name: string): boolean => nameProblem(name) !== undefined;
    fc.assert(
      fc.property(fc.string({ minLength: 1, unit: "binary" }), (name) => {
        fc.pre(!name.includes("/") && name !== "." && name !== "..");
        return hasProblem(name) || belowPath(raw`\\?\C:\t`, name) === raw`\\?\C:\t` + `\\${name}`;
      }),
      { seed: 7 },
    );
    for (const name of [raw`..\..\x`, raw`x\..\..\y`, "file.txt:hidden"]) assert(hasProblem(name));
  });
});

suite("structures of Windows", () => {
  test("attributes and creation time", () => {
    const bytes = Buffer.alloc(ATTRIBUTE_DATA_BYTES);
    bytes.writeUInt32LE(ATTRIBUTE.hidden | ATTRIBUTE.compressed, 0);
    // 2009-07-25 23:00:00 UTC, the example of FILETIME in [MS-DTYP] and elsewhere: 0x01CA0D7B 0x.... as ticks.
    bytes.writeBigUInt64LE(128_930_364_000_000_000n, 4);
    const { bits, createdNs } = decodeAttributeData(bytes);
    assert.equal(bits, 0x802);
    assert.equal(new Date(Number((createdNs ?? 0n) / 1_000_000n)).toISOString(), "2009-07-25T23:00:00.000Z");
    assert.equal(decodeAttributeData(Buffer.alloc(ATTRIBUTE_DATA_BYTES)).createdNs, undefined);
  });

  test("times in both directions, and those that cannot be", () => {
    for (const ticks of [1n, 116_444_736_000_000_000n, 133_000_000_000_000_001n]) {
      assert.equal(toFileTime(fromFileTime(ticks)), ticks);
    }
    assert.equal(fromFileTime(116_444_736_000_000_000n), 0n);
    assert.equal(toFileTime(-1n), 116_444_735_999_999_999n);
    assert.equal(toFileTime(-11_644_473_600n * 1_000_000_000n), undefined);
    assert.equal(toFileTime(2n ** 80n), undefined);
  });

  test("a security descriptor", () => {
    const bytes = descriptor({
      owner: sid(5, 32, 544),
      group: sid(5, 18),
      dacl: acl(sid(1, 0)),
      control: 0x9004,
    });
    const parsed = parseSecurityDescriptor(bytes);
    assert.deepEqual(parsed, {
      owner: "S-1-5-32-544",
      group: "S-1-5-18",
      daclEntries: 1,
      isDaclProtected: true,
    });
    assert.equal(parsed === undefined ? 0 : informationToSet(parsed), 0x8000_0007);
  });

  test("a descriptor without a list sets none: that would let everybody in", () => {
    const absent = parseSecurityDescriptor(descriptor({ owner: sid(5, 18), control: 0x8000 }));
    assert.equal(absent === undefined ? 0 : informationToSet(absent), 1);
    const empty = parseSecurityDescriptor(descriptor({ owner: sid(5, 18), control: 0x8004 }));
    assert.equal(empty === undefined ? 0 : informationToSet(empty), 1);
  });

  test("no descriptor that is cut off, or points outside of itself, is taken", () => {
    const whole = descriptor({
      owner: sid(5, 32, 544),
      group: sid(5, 18),
      dacl: acl(sid(1, 0)),
      control: 0x8004,
    });
    for (let length = 0; length < whole.length; length += 1) {
      assert.equal(parseSecurityDescriptor(whole.subarray(0, length)), undefined, String(length));
    }
    for (const at of [4, 8, 16]) {
      const wrong = Buffer.from(whole);
      wrong.writeUInt32LE(0xffff_fff0, at);
      assert.equal(parseSecurityDescriptor(wrong), undefined);
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        parseSecurityDescriptor(Buffer.from(bytes));
      }),
      { seed: 7 },
    );
  });

  test("streams", () => {
    assert.equal(decodeStreamData(streamData("::$DATA", 10n)), undefined);
    assert.deepEqual(decodeStreamData(streamData(":Zone.Identifier:$DATA", 26n)), {
      name: "Zone.Identifier",
      size: 26n,
    });
    assert.equal(decodeStreamData(streamData(":x:$BITMAP", 1n)), undefined);
  });

  test("a stream of a copy names nothing but a stream", () => {
    for (const name of ["Zone.Identifier", "a b"]) assert(isStreamName(name));
    for (const name of ["", "a:b", "a:$DATA", raw`..\x`, "a/b", "a\0b", "x".repeat(256)]) {
      assert(!isStreamName(name), name);
    }
  });

  test("reparse points", () => {
    assert.equal(reparseKindOf(symlinkPoint()), "link");
    assert.equal(reparseKindOf(junctionPoint(raw`\??\C:\target`)), "junction");
    const volume = raw`\??\Volume{a3e4f3a1-0000-0000-0000-100000000000}` + "\\";
    assert.equal(reparseKindOf(junctionPoint(volume)), "mount");
    const tagged = (tag: number): Buffer => {
      const bytes = symlinkPoint();
      bytes.writeUInt32LE(tag, 0);
      return bytes;
    };
    assert.equal(reparseKindOf(tagged(0x8000_0013)), "plain");
    assert.equal(reparseKindOf(tagged(0x9000_001a)), "other");
    assert.equal(reparseKindOf(Buffer.alloc(3)), "other");
    assert.equal(reparseKindOf(junctionPoint("x").subarray(0, 17)), "other");
  });

  test("a file that another program has for itself names the way out", () => {
    assert.match(explainOnWindows(-ERRNO.EBUSY) ?? "", /VSS.*--snapshot/u);
    assert.match(explainOnWindows(-ERRNO.EACCES) ?? "", /administrator/u);
    assert.equal(explainOnWindows(-ERRNO.ENOENT), undefined);
  });
});
