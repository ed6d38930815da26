import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, suite, test } from "node:test";
import { disk } from "@holdfast/protocol";
import { linuxDisks } from "../src/platform/linux-disks.ts";

const root = mkdtempSync(join(tmpdir(), "holdfast-disks-"));
after(() => {
  rmSync(root, { recursive: true });
});

function write(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), `${text}\n`);
}

function block(path: string, number: string, sectors: number, more: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries({ dev: number, size: String(sectors), ro: "0", ...more }))
    write(join("sys/block", path, name), text);
}

suite("disks of Linux", () => {
  block("sda", "8:0", 2_000_000, { removable: "0", "device/model": "FAST DRIVE      " });
  block("sda/sda1", "8:1", 1_000_000, { partition: "1" });
  block("sda/sda2", "8:2", 900_000, { partition: "2" });
  block("sdb", "8:16", 4096, { removable: "1", ro: "1", "device/model": "a\u0007bell" });
  block("dm-0", "253:0", 8192, { removable: "0", ro: "1" });
  block("sr0", "11:0", 0, { removable: "1" });
  block("loop3", "7:3", 8192, { removable: "0" });
  block("zram0", "252:0", 8192, { removable: "0" });
  write(
    "proc/self/mountinfo",
    [
      "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw",
      "23 22 0:22 / /sys rw - sysfs sysfs rw",
      "24 22 8:1 /srv /srv/with\\040space rw - ext4 /dev/sda1 rw",
      "25 22 8:1 /srv /srv/third rw - ext4 /dev/sda1 rw",
      "26 22 253:0 / /data rw - xfs /dev/mapper/data rw",
      "27 22 8:2 / /with\\012line rw - ext4 /dev/sda2 rw",
      "",
      "garbage",
    ].join("\n"),
  );

  test("are what sysfs and mountinfo say, without memory, files and empty drives", () => {
    assert.deepEqual(linuxDisks(root), [
      {
        name: "dm-0",
        bytes: 8192 * 512,
        removable: false,
        readOnly: true,
        volumes: [{ name: "dm-0", bytes: 8192 * 512, mountedAt: ["/data"] }],
      },
      {
        name: "sda",
        bytes: 2_000_000 * 512,
        model: "FAST DRIVE",
        removable: false,
        readOnly: false,
        volumes: [
          { name: "sda1", bytes: 1_000_000 * 512, mountedAt: ["/", "/srv/with space"] },
          { name: "sda2", bytes: 900_000 * 512, mountedAt: [] },
        ],
      },
      // What calls itself something that no frame may carry is left out, and keeps nobody from connecting.
    ]);
  });

  test("are none where nothing can be read", () => {
    assert.deepEqual(linuxDisks(join(root, "nowhere")), []);
  });

  test("of this machine are as the protocol wants them", () => {
    for (const found of linuxDisks()) assert.deepEqual(disk.parse(found), found);
  });
});
