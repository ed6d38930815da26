/**
 * What macOS says and is asked, by samples put together from its manual pages and headers, for lack of a machine with macOS.
 */
import assert from "node:assert/strict";
import fs from "node:fs";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { decodeBits, encodeBits, encodeTime } from "../src/platform/attribute-names.ts";
import { explainOnMacos } from "../src/platform/darwin.ts";
import { loadKoffi, type NativeFunction } from "../src/platform/load-koffi.ts";
import { countAclEntries } from "../src/platform/macos/acl-text.ts";
import { decodeCommonAttributes } from "../src/platform/macos/common-attributes.ts";
import {
  readMacosAttributes,
  sealOnMacos,
  setMacosAttribute,
  takesOnMacos,
} from "../src/platform/macos/macos-attributes.ts";
import { declareMacosCalls } from "../src/platform/macos/macos-binding.ts";
import type { MacosCalls } from "../src/platform/macos/macos-calls.ts";
import { createMacosFileCalls } from "../src/platform/macos/macos-file-calls.ts";
import { ERRNO } from "../src/posix/errno.ts";

/** As acl_to_text(3) writes it. */
const ACL = `!#acl 1
group:ABCDEFAB-CDEF-ABCD-EFAB-CDEF0000000C:everyone:12:deny:delete
user:FFFFEEEE-DDDD-CCCC-BBBB-AAAA000001F5:ann:501:allow,inherited,file_inherit:read,write,append
`;

function common(seconds: bigint, nanoseconds: bigint, flags: number): Buffer {
  const bytes = Buffer.alloc(24);
  bytes.writeUInt32LE(24, 0);
  bytes.writeBigInt64LE(seconds, 4);
  bytes.writeBigInt64LE(nanoseconds, 12);
  bytes.writeUInt32LE(flags, 20);
  return bytes;
}

function newFile(overrides: Partial<MacosCalls> = {}): { calls: MacosCalls; done: string[] } {
  const done: string[] = [];
  const note = (text: string): number => {
    done.push(text);
    return 0;
  };
  const xattrs = new Map([
    ["com.apple.ResourceFork", "fork"],
    ["com.apple.quarantine", "0081;"],
  ]);
  const calls: MacosCalls = {
    commonAttributes: () => common(100n, 5n, 0x8000 | 0x2 | 0x20),
    setFlags: (_, flags) => note(`flags ${flags.toString(16)}`),
    setCreated: (_, timeNs) => note(`created ${String(timeNs)}`),
    listXattrs: () => Buffer.from([...xattrs.keys(), ""].join("\0")),
    getXattr: (_, name) => Buffer.from(xattrs.get(name.toString()) ?? ""),
    setXattr: (_, name, value) => note(`xattr ${name.toString()}=${value.toString()}`),
    aclText: () => ACL,
    setAclText: (_, text) => note(`acl ${String(text.length)}`),
    ...overrides,
  };
  return { calls, done };
}

const FILE = Buffer.from("/f");
const attribute = (name: string, value: Buffer): { name: Buffer; value: Buffer } => ({
  name: Buffer.from(name),
  value,
});

suite("metadata of macOS", () => {
  test("is read in the order of names, extended attributes as Linux would have them", () => {
    const { xattrs, failures } = readMacosAttributes(newFile().calls, FILE);
    assert.deepEqual(failures, []);
    assert.deepEqual(
      xattrs.map(({ name }) => name.toString()),
      [
        "holdfast.created",
        "holdfast.macos.acl",
        "holdfast.macos.flags",
        "user.com.apple.ResourceFork",
        "user.com.apple.quarantine",
      ],
    );
    // That the system has stored it compressed says nothing of the file.
    assert.equal(decodeBits(xattrs[2]?.value ?? Buffer.alloc(0)), 0x8002);
  });

  test("what a file system does not have is no failure, what cannot be read is one", () => {
    const failuresOf = (overrides: Partial<MacosCalls>): readonly number[] =>
      readMacosAttributes(newFile(overrides).calls, FILE).failures.map(({ errno }) => errno);
    assert.deepEqual(failuresOf({ listXattrs: () => -ERRNO.ENOTSUP, aclText: () => -ERRNO.ENOTSUP }), []);
    assert.deepEqual(failuresOf({ getXattr: () => -93 }), []);
    assert.deepEqual(failuresOf({ getXattr: () => -ERRNO.EFBIG }), [-ERRNO.EFBIG, -ERRNO.EFBIG]);
    assert.deepEqual(failuresOf({ commonAttributes: () => -ERRNO.EACCES }), [-ERRNO.EACCES]);
    assert.deepEqual(failuresOf({ aclText: () => "" }), []);
  });

  test("is set again; creation time and flags only at the very end", () => {
    const { calls, done } = newFile();
    const all = [
      attribute("holdfast.created", encodeTime(7n)),
      attribute("holdfast.macos.acl", Buffer.from(ACL)),
      attribute("holdfast.macos.flags", encodeBits(0xffff_ffff)),
      attribute("user.com.apple.quarantine", Buffer.from("q")),
    ];
    for (const xattr of all) assert.equal(setMacosAttribute(calls, FILE, xattr), 0);
    assert.deepEqual(done.splice(0), [`acl ${String(ACL.length)}`, "xattr com.apple.quarantine=q"]);
    assert.equal(sealOnMacos(calls, FILE, all), 0);
    assert.deepEqual(done, ["created 7", "flags 7800f"]);
  });

  test("malformed or foreign bytes of a copy never reach the system", () => {
    const { calls, done } = newFile();
    const bad = [
      attribute("holdfast.macos.acl", Buffer.from("!#acl 1\nuser:x")),
      attribute("system.posix_acl_access", Buffer.from("x")),
    ];
    for (const xattr of bad) assert(setMacosAttribute(calls, FILE, xattr) < 0);
    assert(sealOnMacos(calls, FILE, [attribute("holdfast.macos.flags", Buffer.alloc(3))]) < 0);
    assert.deepEqual(done, []);
    for (const name of ["user.a", "holdfast.created", "holdfast.macos.acl"])
      assert(takesOnMacos(Buffer.from(name)));
    for (const name of ["user.", "security.capability", "holdfast.windows.attributes"]) {
      assert(!takesOnMacos(Buffer.from(name)), name);
    }
  });

  test("access control lists as text", () => {
    assert.equal(countAclEntries(ACL), 2);
    assert.equal(countAclEntries("!#acl 1\n"), 0);
    for (const text of ["", "!#acl 2\n", "x", `${ACL}\u0000`, ACL.replace("allow", "grant"), ACL + ACL]) {
      assert.equal(countAclEntries(text), undefined, text);
    }
  });

  test("an answer with less than was asked for says nothing", () => {
    assert.equal(decodeCommonAttributes(Buffer.alloc(24)), undefined);
    assert.equal(decodeCommonAttributes(common(0n, 0n, 0x4000_0000))?.isRemote, true);
  });

  test("what privacy protection refuses names the way out", () => {
    assert.match(explainOnMacos(-ERRNO.EPERM) ?? "", /Full Disk Access/u);
  });
});

suite("calls of macOS", () => {
  /** A library in which pointers are numbers. */
  const newLibrary = (answers: Readonly<Record<string, NativeFunction>>, errno = 0) => {
    const asked: string[] = [];
    const calls = declareMacosCalls(
      (name, _, parameters) =>
        (...values) => {
          asked.push(name);
          assert.equal(values.length, parameters.split(", ").length, name);
          return answers[name]?.(...values) ?? 0;
        },
      () => errno,
    );
    return { calls, asked };
  };
  const bytesOf = (value: unknown): Buffer => {
    assert(Buffer.isBuffer(value));
    return value;
  };

  test("ask for creation time and flags of a link itself", () => {
    const { calls } = newLibrary({
      getattrlist: (path, list, answer, _, options) => {
        assert.equal(bytesOf(path).toString(), "/f\0");
        assert.deepEqual([bytesOf(list).readUInt16LE(0), bytesOf(list).readUInt32LE(4)], [5, 0x4_0200]);
        assert.equal(options, 1);
        common(1n, 2n, 2).copy(bytesOf(answer));
        return 0;
      },
    });
    assert.deepEqual(calls.commonAttributes(FILE), common(1n, 2n, 2));
  });

  test("are declared in words that koffi knows", (context) => {
    const koffi = loadKoffi();
    if (koffi === undefined) {
      context.skip("koffi is not there");
      return;
    }
    const declared: string[] = [];
    declareMacosCalls(
      (name, result, parameters) => {
        koffi.proto(result, parameters.split(", "));
        declared.push(name);
        return () => 0;
      },
      () => 0,
    );
    assert(declared.includes("acl_to_text"));
  });

  test("free what they were given", () => {
    const { calls, asked } = newLibrary({
      acl_get_link_np: () => 1000,
      acl_to_text: () => 2000,
      strlcpy: (target, source) => {
        assert.equal(source, 2000);
        return bytesOf(target).write(ACL);
      },
      acl_from_text: () => 3000,
    });
    assert.equal(calls.aclText(FILE), ACL);
    assert.equal(calls.setAclText(FILE, ACL), 0);
    assert.equal(asked.filter((name) => name === "acl_free").length, 3);
  });

  test("no list is no failure; another error is", () => {
    assert.equal(newLibrary({}, ERRNO.ENOENT).calls.aclText(FILE), "");
    assert.equal(newLibrary({}, ERRNO.EACCES).calls.aclText(FILE), -ERRNO.EACCES);
  });

  test("attributes are asked for their size first, and left out when too large", () => {
    const { calls } = newLibrary({
      getxattr: (_, name, value) => {
        const isLarge = bytesOf(name).toString() === "large\0";
        if (value === null) return isLarge ? 2 ** 21 : 3;
        return bytesOf(value).write("abc");
      },
    });
    assert.deepEqual(calls.getXattr(FILE, Buffer.from("a")), Buffer.from("abc"));
    assert.equal(calls.getXattr(FILE, Buffer.from("large")), -ERRNO.EFBIG);
  });
});

suite("files of macOS", () => {
  test("get their metadata by path, and are not fetched from the cloud", (context) => {
    const top = mkdtempSync(join(tmpdir(), "holdfast-macos-"));
    context.after(() => {
      rmSync(top, { recursive: true, force: true });
    });
    const { calls: native, done } = newFile({ commonAttributes: () => common(0n, 0n, 0x4000_0000) });
    const calls = createMacosFileCalls(native);
    const folder = calls.openTop(Buffer.from(top));
    assert(typeof folder !== "number");
    const name = Buffer.from("f");
    const create = fs.constants.O_WRONLY | fs.constants.O_CREAT | fs.constants.O_EXCL;
    const fd = calls.openFile(folder, name, create, 0o600);
    assert.equal(calls.truncate(fd, 100_000), 0);
    assert.equal(calls.setXattr(fd, attribute("user.a", Buffer.from("1"))), 0);
    calls.closeFile(fd);
    assert.deepEqual(calls.seal(folder, name, [attribute("holdfast.macos.flags", encodeBits(2))]), []);
    assert.deepEqual(done, ["xattr a=1", "flags 2"]);
    assert.equal(calls.stat(folder, name), -ERRNO.ENOTSUP);
    calls.closeDirectory(folder);
  });
});
