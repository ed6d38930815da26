/**
 * Disks of macOS and Windows, from answers put together from the documentation of the tools: neither system was there.
 */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { ToolCall, ToolResult, ToolRunner } from "@holdfast/sources";
import { darwinDisks } from "../src/platform/darwin-disks.ts";
import { windowsDisks } from "../src/platform/win32-disks.ts";

const FAILED: ToolResult = { code: 1, output: "", problem: "no" };

function answers(output: string): ToolResult {
  return { code: 0, output, problem: "" };
}

suite("disks of Windows", () => {
  const says = (said: unknown): ToolRunner => {
    return ({ program, words }: ToolCall) => {
      assert.match(program, /\\WindowsPowerShell\\v1\.0\\powershell\.exe$/u);
      assert.match(words.at(-1) ?? "", /MSFT_Disk.*MSFT_Partition/su);
      return Promise.resolve(answers(typeof said === "string" ? said : JSON.stringify(said)));
    };
  };

  test("are what the classes say, with drives and folders where volumes are", async () => {
    const run = says({
      disks: [
        { number: 0, bytes: 512_110_190_592, model: "NVMe FAST", readOnly: false, bus: 17 },
        { number: 1, bytes: 30_000_000_000, model: "Stick", readOnly: true, bus: 7 },
        { number: 2, bytes: 0, model: "Card reader", readOnly: false, bus: 7 },
        { number: 3, bytes: 1000, model: "a\u0007bell", readOnly: false, bus: 11 },
      ],
      partitions: [
        { disk: 0, number: 1, bytes: 104_857_600, paths: ["\\\\?\\Volume{a}\\"] },
        { disk: 0, number: 3, bytes: 511_000_000_000, paths: ["C:\\", "D:\\data\\", "\\\\?\\Volume{b}\\"] },
        { disk: 1, number: 1, bytes: 29_000_000_000, paths: ["E:\\"] },
      ],
    });
    assert.deepEqual(await windowsDisks(run), [
      {
        name: "PhysicalDrive0",
        bytes: 512_110_190_592,
        model: "NVMe FAST",
        removable: false,
        readOnly: false,
        volumes: [
          { name: "Harddisk0Partition1", bytes: 104_857_600, mountedAt: [] },
          { name: "Harddisk0Partition3", bytes: 511_000_000_000, mountedAt: ["C:\\", "D:\\data\\"] },
        ],
      },
      {
        name: "PhysicalDrive1",
        bytes: 30_000_000_000,
        model: "Stick",
        removable: true,
        readOnly: true,
        volumes: [{ name: "Harddisk1Partition1", bytes: 29_000_000_000, mountedAt: ["E:\\"] }],
      },
    ]);
  });

  test("are none when PowerShell fails, or says something else", async () => {
    assert.deepEqual(await windowsDisks(() => Promise.resolve(FAILED)), []);
    assert.deepEqual(await windowsDisks(says("not JSON")), []);
    assert.deepEqual(await windowsDisks(says({ disks: [{ number: "0" }], partitions: [] })), []);
  });
});

suite("disks of macOS", () => {
  const PARTITIONS = [
    { DeviceIdentifier: "disk0s1", Size: 524_288_000 },
    { DeviceIdentifier: "disk0s2", Size: 494_384_795_648 },
  ];
  const VOLUMES = [
    { DeviceIdentifier: "disk3s1", Size: 494_384_795_648, MountPoint: "/" },
    { DeviceIdentifier: "disk3s4", Size: 494_384_795_648 },
    { DeviceIdentifier: "disk3s5", Size: 494_384_795_648, MountPoint: "/System/Volumes/Data" },
    { DeviceIdentifier: "disk3s6", Size: 494_384_795_648, MountPoint: "/System/Volumes/VM" },
  ];
  const ABOUT: Readonly<Record<string, unknown>> = {
    list: {
      AllDisksAndPartitions: [
        { DeviceIdentifier: "disk0", Size: 500_277_792_768, Partitions: PARTITIONS },
        {
          DeviceIdentifier: "disk3",
          Size: 494_384_795_648,
          Partitions: [],
          APFSPhysicalStores: [{ DeviceIdentifier: "disk0s2" }],
          APFSVolumes: VOLUMES,
        },
        { DeviceIdentifier: "disk4", Size: 8_000_000, MountPoint: "/Volumes/STICK" },
        { DeviceIdentifier: "disk5", Size: 9_000_000, MountPoint: "/Volumes/Image" },
      ],
    },
    disk0: { MediaName: "APPLE SSD", RemovableMediaOrExternalDevice: false, VirtualOrPhysical: "Physical" },
    disk4: { MediaName: "Stick", RemovableMediaOrExternalDevice: true, WritableMedia: false },
    disk5: { MediaName: "Disk Image", VirtualOrPhysical: "Virtual" },
  };
  /** diskutil names what it was asked for, and plutil looks that up: the property list between them stays closed. */
  const mac: ToolRunner = ({ program, words, input }) => {
    if (program === "/usr/sbin/diskutil") {
      assert.equal(words[1], "-plist");
      return Promise.resolve(answers(words[2] ?? words[0] ?? ""));
    }
    assert.equal(program, "/usr/bin/plutil");
    return Promise.resolve(answers(JSON.stringify(ABOUT[input ?? ""])));
  };

  test("are what diskutil says, with the volumes of a container where its bytes are", async () => {
    assert.deepEqual(await darwinDisks(mac), [
      {
        name: "disk0",
        bytes: 500_277_792_768,
        model: "APPLE SSD",
        removable: false,
        readOnly: false,
        volumes: [
          { name: "disk0s1", bytes: 524_288_000, mountedAt: [] },
          { name: "disk0s2", bytes: 494_384_795_648, mountedAt: ["/", "/System/Volumes/Data"] },
        ],
      },
      {
        name: "disk4",
        bytes: 8_000_000,
        model: "Stick",
        removable: true,
        readOnly: true,
        volumes: [{ name: "disk4", bytes: 8_000_000, mountedAt: ["/Volumes/STICK"] }],
      },
    ]);
  });

  test("are none where the tools are missing, fail, or say something else", async () => {
    assert.deepEqual(await darwinDisks(() => Promise.resolve(FAILED)), []);
    assert.deepEqual(await darwinDisks(() => Promise.resolve(answers("{}"))), []);
  });
});
