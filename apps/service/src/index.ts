// The public surface of this package.
export { resetPassword } from "./administration/reset-password.ts";
export {
  addUnlockPassphrase,
  listUnlockSlots,
  removeUnlockSlot,
} from "./administration/unlock-slots.ts";
export {
  makeNewUnlockFile,
  type Verification,
  verifyDatabase,
} from "./administration/vault-administration.ts";
export { backupSqlite } from "./database/backup-sqlite.ts";
export { type ListenAddress, type RunningService, type ServiceOptions, startService } from "./service.ts";
