/**
 * Who may do what: a role is a set of rights. Rights on secrets can be given to single users besides (docs/security.md,
 * section 3).
 *
 * @module
 */

import { RIGHTS, type Right, type Role, ROLES } from "@holdfast/protocol";

export { RIGHTS, type Right, type Role, ROLES };

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
