/**
 * The privileges of backup programs: with them, Windows lets administrators read and write past access lists. They are in
 * an administrator's token but switched off ("Privilege Constants", Win32 documentation). Written from it; never run.
 *
 * @module
 */
import type { Declare } from "./windows-calls.ts";

const NAMES = ["SeBackupPrivilege", "SeRestorePrivilege"];
const CURRENT_PROCESS = -1;
const ADJUST_AND_QUERY = 0x28;
const ENABLED = 2;

/** Switches on what this account has; does nothing to others. */
export function enablePrivileges(declare: Declare): void {
  const openToken = declare("advapi32", "OpenProcessToken", "int", "int64_t, uint32_t, void*");
  const lookUp = declare("advapi32", "LookupPrivilegeValueW", "int", "void*, const void*, void*");
  const parameters = "int64_t, int, const void*, uint32_t, void*, void*";
  const adjust = declare("advapi32", "AdjustTokenPrivileges", "int", parameters);
  const close = declare("kernel32", "CloseHandle", "int", "int64_t");
  const token = Buffer.alloc(8);
  if (openToken(CURRENT_PROCESS, ADJUST_AND_QUERY, token) === 0) return;
  const handle = token.readBigInt64LE();
  for (const name of NAMES) {
    const id = Buffer.alloc(8);
    if (lookUp(null, Buffer.from(`${name}\0`, "utf16le"), id) === 0) continue;
    // TOKEN_PRIVILEGES: u32 count, LUID, u32 attributes.
    const wanted = Buffer.alloc(16);
    wanted.writeUInt32LE(1, 0);
    id.copy(wanted, 4);
    wanted.writeUInt32LE(ENABLED, 12);
    adjust(handle, 0, wanted, 0, null, null);
  }
  close(handle);
}
