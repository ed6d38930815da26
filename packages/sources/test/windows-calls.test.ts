/**
 * What is asked of Windows and what becomes of its answers: with stand-ins for kernel32.dll and advapi32.dll, and on Linux's
 * own files where Windows' would be.
 */
import assert from "node:assert/strict";
import fs from "node:fs";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test, type TestContext } from "node:test";
import { decodeBits, decodeTime, encodeBits, encodeTime } from "../src/platform/attribute-names.ts";
import { loadKoffi, type NativeFunction } from "../src/platform/load-koffi.ts";
import { ATTRIBUTE, fromFileTime } from "../src/platform/windows/file-attributes.ts";
import { enablePrivileges } from "../src/platform/windows/privileges.ts";
import {
  readWindowsAttributes,
  sealOnWindows,
  setWindowsAttribute,
  takesOnWindows,
} from "../src/platform/windows/windows-attributes.ts";
import { declareWindowsCalls } from "../src/platform/windows/windows-binding.ts";
import { type Declare, WIN32_ERROR, type WindowsCalls } from "../src/platform/windows/windows-calls.ts";
import { createWindowsFileCalls } from "../src/platform/windows/windows-file-calls.ts";
import { ERRNO } from "../src/posix/errno.ts";
import type { FileCalls } from "../src/posix/file-calls.ts";
import { reachBySlash } from "../src/posix/portable-calls.ts";
import {
  acl,
  attributeData,
  descriptor,
  junctionPoint,
  sid,
  streamData,
  symlinkPoint,
} from "./windows-samples.ts";

const TICKS = 133_000_000_000_000_000n;
const SECURITY = descriptor({
  owner: sid(5, 32, 544),
  group: sid(5, 18),
  dacl: acl(sid(1, 0)),
  control: 0x8004,
});

/** A file of Windows that has everything; what is done to it is noted. */
function newFile(overrides: Partial<WindowsCalls> = {}): { calls: WindowsCalls; done: string[] } {
  const done: string[] = [];
  const note = (text: string): number => {
    done.push(text);
    return 0;
  };
  const calls: WindowsCalls = {
    attributeData: () => attributeData(ATTRIBUTE.hidden | ATTRIBUTE.readOnly, TICKS),
    setAttributes: (_, bits) => note(`attributes ${bits.toString(16)}`),
    setCreated: (_, ticks) => note(`created ${String(ticks)}`),
    security: () => SECURITY,
    setSecurity: (_, information, bytes) =>
      note(`security ${information.toString(16)} ${String(bytes.length)}`),
    streams: () => [streamData("::$DATA", 3n), streamData(":Zone.Identifier:$DATA", 5n)],
    reparsePoint: () => symlinkPoint(),
    compress: () => note("compress"),
    encrypt: () => note("encrypt"),
    makeSparse: () => note("sparse"),
    ...overrides,
  };
  return { calls, done };
}

const streamFiles = { read: () => Buffer.from("zone!"), write: () => undefined };

function attribute(name: string, value: Buffer): { name: Buffer; value: Buffer } {
  return { name: Buffer.from(name), value };
}

suite("metadata of Windows", () => {
  test("is read in the order of names", () => {
    const { xattrs, failures } = readWindowsAttributes(newFile().calls, "C:\\f", streamFiles);
    assert.deepEqual(failures, []);
    assert.deepEqual(
      xattrs.map(({ name }) => name.toString()),
      [
        "holdfast.created",
        "holdfast.windows.attributes",
        "holdfast.windows.security",
        "holdfast.windows.stream.Zone.Identifier",
      ],
    );
    const [created, bits, security, stream] = xattrs.map(({ value }) => value);
    assert.equal(decodeTime(created ?? Buffer.alloc(0)), fromFileTime(TICKS));
    assert.equal(decodeBits(bits ?? Buffer.alloc(0)), 3);
    assert.deepEqual(security, SECURITY);
    assert.equal(stream?.toString(), "zone!");
  });

  test("of a link says which kind it is, and nothing of what it leads to", () => {
    const kindOf = (bits: number, point: Buffer): string | undefined => {
      const file = newFile({ attributeData: () => attributeData(bits), reparsePoint: () => point });
      const { xattrs } = readWindowsAttributes(file.calls, "C:\\l", streamFiles);
      assert(!xattrs.some(({ name }) => name.includes("security")));
      return xattrs.find(({ name }) => name.includes("link"))?.value.toString();
    };
    const { reparsePoint, directory } = ATTRIBUTE;
    assert.equal(kindOf(reparsePoint, symlinkPoint()), "file");
    assert.equal(kindOf(reparsePoint | directory, symlinkPoint()), "dir");
    assert.equal(kindOf(reparsePoint | directory, junctionPoint(String.raw`\??\C:\x`)), "junction");
  });

  test("that cannot be read is a failure, but what a file system does not have is none", () => {
    const failuresOf = (overrides: Partial<WindowsCalls>): readonly number[] =>
      readWindowsAttributes(newFile(overrides).calls, "C:\\f", streamFiles).failures.map(
        ({ errno }) => errno,
      );
    assert.deepEqual(failuresOf({ security: () => -WIN32_ERROR.accessDenied }), [-ERRNO.EACCES]);
    assert.deepEqual(failuresOf({ security: () => -WIN32_ERROR.notSupported }), []);
    assert.deepEqual(failuresOf({ attributeData: () => -WIN32_ERROR.fileNotFound }), [-ERRNO.ENOENT]);
    assert.deepEqual(failuresOf({ streams: () => [streamData(":big:$DATA", 2n ** 21n)] }), [-ERRNO.EFBIG]);
    assert.deepEqual(failuresOf({ streams: () => -9999 }), [-ERRNO.EIO]);
  });

  test("is set again, as far as bits can be set", () => {
    const { calls, done } = newFile();
    const bits = 0xffff_ffff & ~ATTRIBUTE.sparse;
    assert.equal(
      setWindowsAttribute(calls, "f", attribute("holdfast.windows.attributes", encodeBits(bits))),
      0,
    );
    assert.equal(setWindowsAttribute(calls, "f", attribute("holdfast.windows.attributes", encodeBits(0))), 0);
    const time = encodeTime(fromFileTime(TICKS));
    assert.equal(setWindowsAttribute(calls, "f", attribute("holdfast.created", time)), 0);
    assert.equal(setWindowsAttribute(calls, "f", attribute("holdfast.windows.security", SECURITY)), 0);
    assert.deepEqual(done, [
      "compress",
      "attributes 2127",
      "attributes 80",
      `created ${String(TICKS)}`,
      `security 20000007 ${String(SECURITY.length)}`,
    ]);
  });

  test("a file is encrypted after all else", () => {
    const { calls, done } = newFile();
    sealOnWindows(calls, "f", [attribute("holdfast.windows.attributes", encodeBits(ATTRIBUTE.encrypted))]);
    sealOnWindows(calls, "f", [attribute("holdfast.windows.attributes", encodeBits(ATTRIBUTE.hidden))]);
    assert.deepEqual(done, ["encrypt"]);
  });

  test("an owner that may not be set leaves the list to be set, and is told", () => {
    const tried: number[] = [];
    const { calls } = newFile({
      setSecurity: (_, information) => {
        tried.push(information);
        return (information & 1) === 0 ? 0 : -1307;
      },
    });
    const set = setWindowsAttribute(calls, "f", attribute("holdfast.windows.security", SECURITY));
    assert.equal(set, -ERRNO.EPERM);
    assert.deepEqual(tried, [0x2000_0007, 0x2000_0004]);
  });

  test("malformed or foreign bytes of a copy never reach Windows", () => {
    const { calls, done } = newFile();
    const written: string[] = [];
    const files = { read: () => Buffer.alloc(0), write: (path: string) => void written.push(path) };
    const bad: readonly (readonly [string, Buffer])[] = [
      ["holdfast.created", Buffer.alloc(11)],
      ["holdfast.created", encodeTime(-(10n ** 20n))],
      ["holdfast.windows.attributes", Buffer.alloc(5)],
      ["holdfast.windows.security", SECURITY.subarray(1)],
      [String.raw`holdfast.windows.stream...\x`, Buffer.from("x")],
      ["holdfast.windows.stream.a:$INDEX_ALLOCATION", Buffer.from("x")],
      ["user.comment", Buffer.from("x")],
    ];
    for (const [name, value] of bad) {
      assert(setWindowsAttribute(calls, "f", attribute(name, value), files) < 0, name);
    }
    assert.deepEqual([done, written], [[], []]);
    assert(!takesOnWindows(Buffer.from("user.comment")));
    assert(takesOnWindows(Buffer.from("holdfast.windows.stream.x")));
  });
});

/** A library that answers each function as told, and notes what it was called with. */
function newLibrary(answers: Readonly<Record<string, NativeFunction>>): {
  calls: WindowsCalls;
  asked: string[];
} {
  const asked: string[] = [];
  const calls = declareWindowsCalls((library, name, _, parameters) => (...values) => {
    asked.push(`${library} ${name}`);
    if (name !== "GetLastError") assert.equal(values.length, parameters.split(", ").length, name);
    return answers[name]?.(...values) ?? 0;
  });
  return { calls, asked };
}

const bytesOf = (value: unknown): Buffer => {
  assert(Buffer.isBuffer(value));
  return value;
};

suite("calls of Windows", () => {
  test("fill what they were given; paths are UTF-16 with a NUL", () => {
    const { calls } = newLibrary({
      GetFileAttributesExW: (path, level, data) => {
        assert.deepEqual([bytesOf(path).toString("utf16le"), level], ["C:\\ä\0", 0]);
        attributeData(ATTRIBUTE.hidden).copy(bytesOf(data));
        return 1;
      },
      GetFileSecurityW: (_, information, data, __, needed) => {
        assert.equal(information, 7);
        SECURITY.copy(bytesOf(data));
        bytesOf(needed).writeUInt32LE(SECURITY.length);
        return 1;
      },
    });
    assert.deepEqual(calls.attributeData("C:\\ä"), attributeData(ATTRIBUTE.hidden));
    assert.deepEqual(calls.security("f"), SECURITY);
  });

  test("that fail give the last error, and close their handles", () => {
    const { calls, asked } = newLibrary({
      GetLastError: () => 5,
      CreateFileW: () => 42,
      FindFirstStreamW: () => 42,
      FindNextStreamW: () => 0,
    });
    assert.equal(calls.attributeData("f"), -5);
    assert.equal(calls.setCreated("f", 1n), -5);
    assert.equal(calls.reparsePoint("f"), -5);
    assert.deepEqual(calls.streams("f"), [streamData("", 0n)]);
    const count = (name: string): number => asked.filter((call) => call.endsWith(` ${name}`)).length;
    assert.deepEqual([count("CreateFileW"), count("CloseHandle"), count("FindClose")], [2, 2, 1]);
  });

  test("are declared in words that koffi knows", (context) => {
    const koffi = loadKoffi();
    if (koffi === undefined) {
      context.skip("koffi is not there");
      return;
    }
    const declare: Declare = (_, __, result, parameters) => {
      koffi.proto(result, parameters === "" ? [] : parameters.split(", "));
      return () => 0;
    };
    declareWindowsCalls(declare);
    enablePrivileges(declare);
    assert.throws(() => declare("kernel32", "X", "int", "HANDEL"));
  });

  test("no handle, no call", () => {
    const { calls, asked } = newLibrary({
      GetLastError: () => 32,
      CreateFileW: () => -1,
      FindFirstStreamW: () => -1,
    });
    assert.equal(calls.compress("f"), -32);
    assert.equal(calls.streams("f"), -32);
    assert(!asked.some((call) => /DeviceIoControl|CloseHandle|FindNextStreamW/u.test(call)));
  });

  test("switch on the privileges of backups, where the account has them", () => {
    const enabled: string[] = [];
    let name = "";
    const answers: Readonly<Record<string, NativeFunction>> = {
      OpenProcessToken: (process, _, token) => {
        assert.equal(process, -1);
        bytesOf(token).writeBigInt64LE(99n);
        return 1;
      },
      LookupPrivilegeValueW: (_, wanted, id) => {
        name = bytesOf(wanted).toString("utf16le");
        bytesOf(id).writeUInt32LE(17);
        return name.startsWith("SeBackup") ? 1 : 0;
      },
      AdjustTokenPrivileges: (token, disableAll, wanted) => {
        assert.deepEqual([token, disableAll], [99n, 0]);
        enabled.push(`${name} ${bytesOf(wanted).toString("hex")}`);
        return 1;
      },
      CloseHandle: (handle) => {
        assert.equal(handle, 99n);
        enabled.push("closed");
        return 1;
      },
    };
    enablePrivileges((_, called) => answers[called] ?? (() => 0));
    assert.deepEqual(enabled, ["SeBackupPrivilege\0 01000000110000000000000002000000", "closed"]);
  });

  test("a folder without streams has none", () => {
    for (const error of [38, 87]) {
      const { calls } = newLibrary({ GetLastError: () => error, FindFirstStreamW: () => -1 });
      assert.deepEqual(calls.streams("d"), []);
    }
  });
});

function scene(
  context: TestContext,
  overrides: Partial<WindowsCalls> = {},
): { calls: FileCalls; top: string } {
  const top = mkdtempSync(join(tmpdir(), "holdfast-windows-"));
  context.after(() => {
    rmSync(top, { recursive: true, force: true });
  });
  const { calls } = newFile({ attributeData: () => attributeData(0), ...overrides });
  return { calls: createWindowsFileCalls(calls, reachBySlash), top };
}

const bytes = (text: string): Buffer => Buffer.from(text);
const CREATE = fs.constants.O_WRONLY | fs.constants.O_CREAT | fs.constants.O_EXCL;

suite("files of Windows", () => {
  test("get their metadata by path", (context) => {
    const { calls, top } = scene(context);
    const folder = calls.openTop(bytes(top));
    assert(typeof folder !== "number");
    const fd = calls.openFile(folder, bytes("f"), CREATE, 0o600);
    assert.equal(calls.setMode(fd, 0o444), 0);
    assert.equal(calls.setTimes(fd, 1_000_000_000_000_000_000n), 0);
    assert.equal(calls.setXattr(fd, attribute("holdfast.created", encodeTime(0n))), 0);
    assert.equal(calls.setOwner(fd, 1, 1), 0);
    assert.equal(calls.closeFile(fd), 0);
    const stats = fs.statSync(join(top, "f"));
    assert.deepEqual([stats.mode & 0o777, stats.mtimeMs], [0o444, 1e12]);
    calls.closeDirectory(folder);
  });

  test("are never reached through a link", (context) => {
    const { calls, top } = scene(context);
    fs.mkdirSync(join(top, "outside"));
    fs.symlinkSync(join(top, "outside"), join(top, "way"));
    fs.symlinkSync(join(top, "outside/new"), join(top, "file"));
    const folder = calls.openTop(bytes(top));
    assert(typeof folder !== "number");
    assert.equal(calls.openDirectory(folder, bytes("way")), -ERRNO.ELOOP);
    assert.equal(calls.openDirectory(folder, bytes("file")), -ERRNO.ELOOP);
    assert.equal(calls.openFile(folder, bytes("file"), CREATE, 0o600), -ERRNO.EEXIST);
    assert.equal(calls.openFile(folder, bytes("file"), fs.constants.O_RDONLY, 0), -ERRNO.ELOOP);
    assert.deepEqual(fs.readdirSync(join(top, "outside")), []);
    calls.closeDirectory(folder);
  });

  test("whose content is elsewhere, and unknown links, are not touched", (context) => {
    const { calls, top } = scene(context, {
      attributeData: (path) =>
        attributeData(path.endsWith("cloud") ? ATTRIBUTE.recallOnDataAccess : ATTRIBUTE.reparsePoint),
      reparsePoint: () => Buffer.alloc(8),
    });
    fs.writeFileSync(join(top, "cloud"), "");
    fs.writeFileSync(join(top, "other"), "");
    const folder = calls.openTop(bytes(top));
    assert(typeof folder !== "number");
    assert.equal(calls.stat(folder, bytes("cloud")), -ERRNO.ENOTSUP);
    assert.equal(calls.stat(folder, bytes("other")), -ERRNO.ENOTSUP);
    calls.closeDirectory(folder);
  });

  test("a link is made again as the kind it was", (context) => {
    const { calls, top } = scene(context);
    const folder = calls.openTop(bytes(top));
    assert(typeof folder !== "number");
    assert.equal(calls.makeSymlink(bytes("nowhere"), folder, bytes("l")), 0);
    const xattrs = [attribute("holdfast.windows.link", bytes("junction"))];
    assert.deepEqual(calls.changeNode(folder, bytes("l"), "symlink", { xattrs, mtimeNs: 0n }), []);
    assert.equal(fs.readlinkSync(join(top, "l")), "nowhere");
    const bad = [attribute("holdfast.windows.link", bytes("hard"))];
    const failures = calls.changeNode(folder, bytes("l"), "symlink", { xattrs: bad });
    assert.deepEqual(
      failures.map(({ step, errno }) => [step, errno]),
      [["xattr", -ERRNO.EINVAL]],
    );
    calls.closeDirectory(folder);
  });

  test("above drives there are folders that only lead to them", () => {
    const calls = createWindowsFileCalls(newFile().calls);
    const root = calls.openTop(bytes("virtual?"));
    assert(typeof root !== "number");
    const server = calls.openDirectory(root, bytes("UNC"));
    assert(typeof server !== "number");
    assert.equal(server.path?.toString(), "virtual?UNC");
    const stat = calls.stat(root, bytes("UNC"));
    assert(typeof stat !== "number" && stat.kind === "directory");
    calls.closeDirectory(server);
    calls.closeDirectory(root);
  });
});
