/**
 * Who may do what: a role is a set of rights. Rights on secrets can be given to single users besides (docs/security.md,
 * section 3).
 *
 * @module
 */

export const RIGHTS = [
  "secrets.list",
  "secrets.use",
  "secrets.reveal",
  "secrets.edit",
  "secrets.delete",
  "secrets.protect",
  "audit.read",
  "storages.read",
  "storages.edit",
  "devices.read",
  "devices.edit",
  "plans.read",
  "plans.edit",
  "plans.run",
  "tasks.read",
  "tasks.cancel",
  "copies.read",
  "copies.browse",
  "copies.restore",
  "copies.delete",
  "users.read",
  "users.edit",
  "service.operate",
] as const;

export type Right = (typeof RIGHTS)[number];

export const ROLES = ["administrator", "backup-operator", "restore-operator", "viewer"] as const;
export type Role = (typeof ROLES)[number];

const VIEWER: readonly Right[] = ["storages.read", "devices.read", "plans.read", "tasks.read", "copies.read"];

/** An administrator does not reveal by the role alone: the right is given by name, which the audit log shows. */
export const ROLE_RIGHTS: Readonly<Record<Role, ReadonlySet<Right>>> = {
  administrator: new Set(RIGHTS.filter((right) => right !== "secrets.reveal")),
  "backup-operator": new Set([
    ...VIEWER,
    "secrets.list",
    "secrets.use",
    "plans.edit",
    "plans.run",
    "tasks.cancel",
  ]),
  "restore-operator": new Set([...VIEWER, "copies.browse", "copies.restore", "tasks.cancel"]),
  viewer: new Set(VIEWER),
};
