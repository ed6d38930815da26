import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { copyPathFields, displayBytes, displayPath, pathFields, printable } from "../src/output/printable.ts";
import { formatProgress, ProgressMeter } from "../src/output/progress-meter.ts";
import { formatBytes, formatCount, formatNumber, formatSeconds } from "../src/output/quantity.ts";
import { formatTable } from "../src/output/table.ts";

suite("Quantities", () => {
  test("of bytes have three digits and a binary unit", () => {
    const cases: readonly (readonly [number, string])[] = [
      [0, "0 B"],
      [999, "999 B"],
      [1000, "0.98 KiB"],
      [1024, "1.00 KiB"],
      [10_240, "10.0 KiB"],
      [1024 * 1023, "1.00 MiB"],
      [5 * 1024 ** 3, "5.00 GiB"],
      [123 * 1024 ** 4, "123 TiB"],
    ];
    for (const [bytes, text] of cases) assert.equal(formatBytes(bytes), text);
  });

  test("of time change their unit before they get long", () => {
    const cases: readonly (readonly [number, string])[] = [
      [0, "0.0 s"],
      [9.94, "9.9 s"],
      [10, "10 s"],
      [59.6, "1 min 00 s"],
      [185, "3 min 05 s"],
      [7620, "2 h 07 min"],
      [273_600, "3 d 04 h"],
    ];
    for (const [seconds, text] of cases) assert.equal(formatSeconds(seconds), text);
  });

  test("have separators and the right plural", () => {
    assert.equal(formatNumber(1_234_567), "1,234,567");
    assert.equal(formatNumber(999), "999");
    assert.equal(formatCount(1, "file"), "1 file");
    assert.equal(formatCount(1000, "copy", "copies"), "1,000 copies");
  });
});

suite("Names", () => {
  test("cannot take over a terminal", () => {
    assert.equal(printable("a\u001B[2Jb\nc\u007F"), "a\\x1B[2Jb\\x0Ac\\x7F");
    assert.equal(printable("evil\u202Etxt.exe"), "evil\\u{202E}txt.exe");
    assert.equal(printable("größe 漢字 👍"), "größe 漢字 👍");
  });

  test("that are not UTF-8 show their bytes, and in JSON as base64 as well", () => {
    const path = Buffer.from("646fff2fe4c3a4", "hex");
    assert.equal(displayBytes(path), "do\\xFF/\\xE4ä");
    assert.equal(displayPath(path), "/do\\xFF/\\xE4ä");
    assert.deepEqual(pathFields(path), { path: "do\u{fffd}/\u{fffd}ä", pathBase64: path.toString("base64") });
    assert.deepEqual(pathFields(Buffer.from("plain")), { path: "plain" });
    assert.deepEqual(copyPathFields(Buffer.from("plain")), { path: "/plain" });
    assert.deepEqual(copyPathFields(Buffer.alloc(0)), { path: "/" });
    const rooted = Buffer.concat([Buffer.from("/"), path]).toString("base64");
    assert.equal(copyPathFields(path).pathBase64, rooted);
  });
});

test("A table is as wide as its cells", () => {
  const columns = [{ title: "id" }, { title: "size", align: "right" as const }, { title: "path" }];
  assert.deepEqual(
    formatTable(columns, [
      ["ä", "7 B", "x"],
      ["long", "1000 MiB", ""],
    ]),
    ["id        size  path", "ä          7 B  x", "long  1000 MiB"],
  );
});

suite("The progress line", () => {
  test("shows done of total, speed, files and the time left", () => {
    const meter = new ProgressMeter();
    meter.measure({ bytes: 0 }, 0);
    const progress = { files: 10, filesTotal: 1200, bytes: 100 * 1024 ** 2, bytesTotal: 1024 ** 3 };
    const pace = meter.measure(progress, 2000);
    assert.equal(
      formatProgress(progress, pace),
      "9 %  100 MiB of 1.00 GiB, 50.0 MiB/s, 10 of 1,200 files, 18 s left",
    );
  });

  test("counts objects where bytes do not matter", () => {
    const progress = { phase: "deleting", objects: 3, objectsTotal: 10 };
    assert.equal(
      formatProgress(progress, new ProgressMeter().measure(progress, 0)),
      "deleting: 3 of 10 objects",
    );
  });

  test("says nothing of a total that is not known", () => {
    assert.equal(
      formatProgress({ bytes: 10, phase: "Checking" }, { bytesPerSecond: 0, secondsLeft: undefined }),
      "Checking: 10 B, 0 B/s",
    );
  });

  test("forgets the speed of long ago, and starts anew with a new phase", () => {
    const meter = new ProgressMeter();
    meter.measure({ bytes: 0 }, 0);
    meter.measure({ bytes: 1_000_000 }, 1000);
    for (let second = 2; second <= 12; second += 1) {
      meter.measure({ bytes: 1_000_000 + second }, second * 1000);
    }
    const slow = meter.measure({ bytes: 1_000_013 }, 13_000);
    assert((slow.bytesPerSecond ?? 9) < 2, String(slow.bytesPerSecond));
    meter.measure({ bytes: 0 }, 14_000);
    assert.equal(meter.measure({ bytes: 500 }, 15_000).bytesPerSecond, 500);
  });
});
