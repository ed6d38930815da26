/**
 * The advisory lock of PostgreSQL that whoever appends to the audit log holds until the end of his transaction: "audit" in
 * ASCII.
 */
export const AUDIT_END_LOCK = 0x61_75_64_69_74;
