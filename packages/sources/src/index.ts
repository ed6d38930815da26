// The public surface of this package.
export { backupFiles } from "./files-backup/backup-files.ts";
export type {
  BackupProgress,
  BackupRequest,
  BackupResult,
  BackupWarning,
} from "./files-backup/request.ts";
export { takeEnvironmentSecret } from "./posix/environment-secret.ts";
export { endedProcesses, ownProcess } from "./posix/process-identity.ts";
export {
  dumpFile,
  type RestoreNotice,
  type RestoreProgress,
  type RestoreRequest,
  restoreFiles,
  type RestoreSummary,
} from "./files-restore/index.ts";
export { hasPattern, includePatterns } from "./selection/include-patterns.ts";
export { createInclusion, type Inclusion } from "./selection/inclusion.ts";
export { type GlobPattern, parseGlob } from "./selection/glob-pattern.ts";
export { baseName, type PathText, pathText } from "./selection/path-text.ts";
export { createSelection, type Selection, type SelectionOptions } from "./selection/selection.ts";
