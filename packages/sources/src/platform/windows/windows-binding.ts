/**
 * {@link WindowsCalls} by kernel32.dll and advapi32.dll through koffi. Written from the documentation of Win32; never
 * run (docs/platforms.md).
 *
 * Handles are declared as integers of their size; strings are UTF-16 with a NUL, as bytes.
 *
 * @module
 */
import { enablePrivileges } from "./privileges.ts";
import { loadKoffi } from "../load-koffi.ts";
import { ATTRIBUTE_DATA_BYTES } from "./file-attributes.ts";
import { REPARSE_BYTES_MAX } from "./reparse-points.ts";
import { DESCRIPTOR_BYTES_MAX, SECURITY_INFORMATION } from "./security-descriptor.ts";
import { STREAM_DATA_BYTES } from "./streams.ts";
import { type Declare, WIN32_ERROR, type WindowsCalls } from "./windows-calls.ts";

const INVALID_HANDLE = -1;
const FILE_WRITE_ATTRIBUTES = 0x100;
const FILE_READ_ATTRIBUTES = 0x80;
const GENERIC_READ_WRITE = 0xc000_0000;
const SHARE_ALL = 0x7;
const OPEN_EXISTING = 3;
const BACKUP_SEMANTICS = 0x0200_0000;
const OPEN_REPARSE_POINT = 0x0020_0000;
const FSCTL_GET_REPARSE_POINT = 0x0009_00a8;
const FSCTL_SET_COMPRESSION = 0x0009_c040;
const FSCTL_SET_SPARSE = 0x0009_00c4;
const COMPRESSION_FORMAT_DEFAULT = 1;
const STREAMS_MAX = 4096;
const { owner, group, dacl } = SECURITY_INFORMATION;

/** Undefined where koffi or a function is missing. */
export function loadWindowsCalls(): WindowsCalls | undefined {
  const koffi = loadKoffi();
  if (koffi === undefined) return undefined;
  const declare: Declare = (library, name, result, parameters) =>
    koffi.load(`${library}.dll`).func(name, result, parameters === "" ? [] : parameters.split(", "));
  try {
    const calls = declareWindowsCalls(declare);
    enablePrivileges(declare);
    return calls;
  } catch {
    return undefined;
  }
}

/** @internal exported for tests: the declarations, whoever carries them out. */
export function declareWindowsCalls(declare: Declare): WindowsCalls {
  const lastError = declare("kernel32", "GetLastError", "uint32_t", "");
  const failed = (): number => -(lastError() || WIN32_ERROR.notSupported);
  const done = (result: number): number => (result === 0 ? failed() : 0);
  const withHandle = createHandleUse(declare, failed);
  const control = createControl(declare, withHandle, failed);
  const path = "const void*";
  const attributesEx = declare("kernel32", "GetFileAttributesExW", "int", `${path}, int, void*`);
  const setAttributes = declare("kernel32", "SetFileAttributesW", "int", `${path}, uint32_t`);
  const setTime = declare("kernel32", "SetFileTime", "int", "int64_t, const void*, const void*, const void*");
  const setSecurity = declare("advapi32", "SetFileSecurityW", "int", `${path}, uint32_t, const void*`);
  const encrypt = declare("advapi32", "EncryptFileW", "int", path);
  return {
    attributeData: (file) => {
      const bytes = Buffer.alloc(ATTRIBUTE_DATA_BYTES);
      return attributesEx(wide(file), 0, bytes) === 0 ? failed() : bytes;
    },
    setAttributes: (file, bits) => done(setAttributes(wide(file), bits)),
    setCreated: (file, ticks) =>
      withHandle(file, FILE_WRITE_ATTRIBUTES, OPEN_REPARSE_POINT, (handle) => {
        const time = Buffer.alloc(8);
        time.writeBigUInt64LE(ticks);
        return done(setTime(handle, time, null, null));
      }),
    security: createSecurity(declare, failed),
    setSecurity: (file, information, descriptor) => done(setSecurity(wide(file), information, descriptor)),
    streams: createStreams(declare, failed),
    reparsePoint: (file) => {
      const bytes = Buffer.alloc(REPARSE_BYTES_MAX);
      const access = { access: FILE_READ_ATTRIBUTES, flags: OPEN_REPARSE_POINT };
      const length = control(file, access, FSCTL_GET_REPARSE_POINT, null, bytes);
      return length < 0 ? length : bytes.subarray(0, length);
    },
    compress: (file) => {
      const format = Buffer.from(Uint16Array.of(COMPRESSION_FORMAT_DEFAULT).buffer);
      return control(file, { access: GENERIC_READ_WRITE, flags: 0 }, FSCTL_SET_COMPRESSION, format, null);
    },
    encrypt: (file) => done(encrypt(wide(file))),
    makeSparse: (file) =>
      control(file, { access: GENERIC_READ_WRITE, flags: 0 }, FSCTL_SET_SPARSE, null, null),
  };
}

type WithHandle = (
  file: string,
  access: number,
  flags: number,
  use: (handle: number | bigint) => number,
) => number;

function createHandleUse(declare: Declare, failed: () => number): WithHandle {
  const parameters = "const void*, uint32_t, uint32_t, void*, uint32_t, uint32_t, int64_t";
  const create = declare("kernel32", "CreateFileW", "int64_t", parameters);
  const close = declare("kernel32", "CloseHandle", "int", "int64_t");
  return (file, access, flags, use) => {
    const handle = create(wide(file), access, SHARE_ALL, null, OPEN_EXISTING, BACKUP_SEMANTICS | flags, 0);
    if (handle === INVALID_HANDLE) return failed();
    try {
      return use(handle);
    } finally {
      close(handle);
    }
  };
}

/** DeviceIoControl; the length of the answer, or the negated error. */
function createControl(declare: Declare, withHandle: WithHandle, failed: () => number) {
  const parameters = "int64_t, uint32_t, const void*, uint32_t, void*, uint32_t, void*, void*";
  const call = declare("kernel32", "DeviceIoControl", "int", parameters);
  return (
    file: string,
    { access, flags }: { readonly access: number; readonly flags: number },
    code: number,
    input: Buffer | null,
    output: Buffer | null,
  ): number =>
    withHandle(file, access, flags, (handle) => {
      const length = Buffer.alloc(4);
      const ok = call(handle, code, input, input?.length ?? 0, output, output?.length ?? 0, length, null);
      return ok === 0 ? failed() : length.readUInt32LE(0);
    });
}

function createSecurity(declare: Declare, failed: () => number): WindowsCalls["security"] {
  const parameters = "const void*, uint32_t, void*, uint32_t, void*";
  const call = declare("advapi32", "GetFileSecurityW", "int", parameters);
  const bytes = Buffer.alloc(DESCRIPTOR_BYTES_MAX);
  const needed = Buffer.alloc(4);
  return (file) => {
    if (call(wide(file), owner | group | dacl, bytes, bytes.length, needed) === 0) return failed();
    const length = Math.min(needed.readUInt32LE(0), bytes.length);
    return Buffer.from(bytes.subarray(0, length));
  };
}

function createStreams(declare: Declare, failed: () => number): WindowsCalls["streams"] {
  const first = declare("kernel32", "FindFirstStreamW", "int64_t", "const void*, int, void*, uint32_t");
  const next = declare("kernel32", "FindNextStreamW", "int", "int64_t, void*");
  const close = declare("kernel32", "FindClose", "int", "int64_t");
  return (file) => {
    const found: Buffer[] = [];
    const data = Buffer.alloc(STREAM_DATA_BYTES);
    const handle = first(wide(file), 0, data, 0);
    // A folder without streams, and file systems that have none, answer in these two ways.
    if (handle === INVALID_HANDLE) {
      const error = failed();
      return error === -WIN32_ERROR.handleEof || error === -WIN32_ERROR.invalidParameter ? found : error;
    }
    try {
      do found.push(Buffer.from(data));
      while (found.length < STREAMS_MAX && next(handle, data) !== 0);
    } finally {
      close(handle);
    }
    return found;
  };
}

function wide(text: string): Buffer {
  return Buffer.from(`${text}\0`, "utf16le");
}
