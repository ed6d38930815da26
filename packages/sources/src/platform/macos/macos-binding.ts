/**
 * {@link MacosCalls} by libSystem through koffi. Written from the manual pages of macOS; never run (docs/platforms.md).
 *
 * Pointers that the library gives are taken as integers of their size, which are the same on both processors.
 *
 * @module
 */
import { ENTRY_LIMITS } from "@holdfast/repository";
import { ERRNO } from "../../posix/errno.ts";
import { loadKoffi, type NativeFunction } from "../load-koffi.ts";
import { ACL_TEXT_BYTES_MAX } from "./acl-text.ts";
import { COMMON_ATTRIBUTES_BYTES } from "./common-attributes.ts";
import type { MacosCalls } from "./macos-calls.ts";

const ATTRIBUTES_COUNT = 5;
const CREATION_TIME = 0x0000_0200;
const FLAGS = 0x0004_0000;
const NO_FOLLOW = 1;
const ACL_TYPE_EXTENDED = 0x100;
const LIST_BYTES_MAX = 256 * 1024;
const NS_PER_SECOND = 1_000_000_000n;

export type Declare = (name: string, result: string, parameters: string) => NativeFunction;

/** Undefined where koffi or a function is missing. */
export function loadMacosCalls(): MacosCalls | undefined {
  const koffi = loadKoffi();
  if (koffi === undefined) return undefined;
  try {
    const library = koffi.load("/usr/lib/libSystem.B.dylib");
    const declare: Declare = (name, result, parameters) => library.func(name, result, parameters.split(", "));
    return declareMacosCalls(declare, () => koffi.errno());
  } catch {
    return undefined;
  }
}

/** @internal exported for tests: the declarations, whoever carries them out. */
export function declareMacosCalls(declare: Declare, errno: () => number): MacosCalls {
  const failed = (): number => -(errno() || ERRNO.EIO);
  const done = (status: number): number => (status < 0 ? failed() : 0);
  const path = "const void*";
  const list = `${path}, void*, void*, size_t, uint32_t`;
  const getAttributes = declare("getattrlist", "int", list);
  const setAttributes = declare("setattrlist", "int", list);
  const changeFlags = declare("lchflags", "int", `${path}, uint32_t`);
  return {
    commonAttributes: (file) => {
      const bytes = Buffer.alloc(COMMON_ATTRIBUTES_BYTES);
      const status = getAttributes(
        terminated(file),
        attributeList(CREATION_TIME | FLAGS),
        bytes,
        bytes.length,
        NO_FOLLOW,
      );
      return status < 0 ? failed() : bytes;
    },
    setFlags: (file, flags) => done(changeFlags(terminated(file), flags)),
    setCreated: (file, timeNs) => {
      const time = timespec(timeNs);
      return done(
        setAttributes(terminated(file), attributeList(CREATION_TIME), time, time.length, NO_FOLLOW),
      );
    },
    ...declareXattrs(declare, failed, done),
    ...declareAcls(declare, failed, done),
  };
}

type Failed = () => number;
type Done = (status: number) => number;

function declareXattrs(
  declare: Declare,
  failed: Failed,
  done: Done,
): Pick<MacosCalls, "listXattrs" | "getXattr" | "setXattr"> {
  const name = "const void*";
  const list = declare("listxattr", "int64_t", `${name}, void*, size_t, int`);
  const get = declare("getxattr", "int64_t", `${name}, ${name}, void*, size_t, uint32_t, int`);
  const set = declare("setxattr", "int", `${name}, ${name}, ${name}, size_t, uint32_t, int`);
  return {
    listXattrs: (file) => {
      const bytes = Buffer.alloc(LIST_BYTES_MAX);
      const length = list(terminated(file), bytes, bytes.length, NO_FOLLOW);
      return length < 0 ? failed() : bytes.subarray(0, length);
    },
    getXattr: (file, attribute) => {
      const size = get(terminated(file), terminated(attribute), null, 0, 0, NO_FOLLOW);
      if (size < 0) return failed();
      if (size > ENTRY_LIMITS.xattrValueBytes) return -ERRNO.EFBIG;
      const value = Buffer.alloc(size);
      const length = get(terminated(file), terminated(attribute), value, size, 0, NO_FOLLOW);
      return length < 0 ? failed() : value.subarray(0, length);
    },
    setXattr: (file, attribute, value) =>
      done(set(terminated(file), terminated(attribute), value, value.length, 0, NO_FOLLOW)),
  };
}

function declareAcls(
  declare: Declare,
  failed: Failed,
  done: Done,
): Pick<MacosCalls, "aclText" | "setAclText"> {
  const get = declare("acl_get_link_np", "int64_t", "const void*, int");
  const toText = declare("acl_to_text", "int64_t", "int64_t, void*");
  const fromText = declare("acl_from_text", "int64_t", "const void*");
  const set = declare("acl_set_link_np", "int", "const void*, int, int64_t");
  const free = declare("acl_free", "int", "int64_t");
  const copyText = declare("strlcpy", "size_t", "void*, int64_t, size_t");
  return {
    aclText: (file) => {
      const acl = get(terminated(file), ACL_TYPE_EXTENDED);
      if (acl === 0) {
        const errno = failed();
        // What has no list answers "no such file".
        return errno === -ERRNO.ENOENT ? "" : errno;
      }
      const text = toText(acl, null);
      const bytes = Buffer.alloc(ACL_TEXT_BYTES_MAX + 1);
      const length = text === 0 ? -1 : copyText(bytes, text, bytes.length);
      if (text !== 0) free(text);
      free(acl);
      if (length < 0) return -ERRNO.EIO;
      return length < bytes.length ? bytes.toString("utf8", 0, length) : -ERRNO.EFBIG;
    },
    setAclText: (file, text) => {
      const acl = fromText(Buffer.from(`${text}\0`, "utf8"));
      if (acl === 0) return failed();
      const status = done(set(terminated(file), ACL_TYPE_EXTENDED, acl));
      free(acl);
      return status;
    },
  };
}

/** struct attrlist: u16 count, u16 reserved, u32 common, volume, directory, file, fork. */
function attributeList(common: number): Buffer {
  const bytes = Buffer.alloc(24);
  bytes.writeUInt16LE(ATTRIBUTES_COUNT, 0);
  bytes.writeUInt32LE(common, 4);
  return bytes;
}

function timespec(timeNs: bigint): Buffer {
  const rest = ((timeNs % NS_PER_SECOND) + NS_PER_SECOND) % NS_PER_SECOND;
  const bytes = Buffer.alloc(16);
  bytes.writeBigInt64LE((timeNs - rest) / NS_PER_SECOND, 0);
  bytes.writeBigInt64LE(rest, 8);
  return bytes;
}

function terminated(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc(1)]);
}
