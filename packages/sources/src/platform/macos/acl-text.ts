/**
 * Access control lists of macOS as acl_to_text(3) writes them:
 *
 *     !#acl 1
 *     group:ABCDEFAB-CDEF-ABCD-EFAB-CDEF0000000C:everyone:12:deny:delete
 *
 * Kind, UUID, name, number, `allow` or `deny` with flags, permissions. What is restored comes from a copy and is hostile: it
 * is looked through before the system gets it.
 *
 * @module
 */
export const ACL_TEXT_BYTES_MAX = 64 * 1024;
/** ACL_MAX_ENTRIES of sys/kauth.h. */
const ENTRIES_MAX = 128;
const HEAD = "!#acl 1";
const ENTRY =
  /^(?:user|group):[0-9A-F]{8}(?:-[0-9A-F]{4}){3}-[0-9A-F]{12}:[^:\p{Cc}]{0,255}:\d{0,10}:(?:allow|deny)(?:,[a-z_]{1,32}){0,8}:[a-z_,]{0,512}$/iu;

/** How many entries a list has; undefined for what is no list. */
export function countAclEntries(text: string): number | undefined {
  if (text.length > ACL_TEXT_BYTES_MAX) return undefined;
  const [head = "", ...entries] = text.replace(/\n$/u, "").split("\n");
  if (head !== HEAD && !/^!#acl 1 [a-z_,]{1,64}$/u.test(head)) return undefined;
  return entries.length <= ENTRIES_MAX && entries.every((entry) => ENTRY.test(entry))
    ? entries.length
    : undefined;
}
