// The public surface of this package.
export { backupFiles } from "./files-backup/backup-files.ts";
export type { BackupProgress, BackupRequest, BackupResult, BackupWarning } from "./files-backup/request.ts";
export { resolvePath } from "./platform/resolve-path.ts";
export { takeEnvironmentSecret } from "./posix/environment-secret.ts";
export { endedProcesses, ownProcess } from "./posix/process-identity.ts";
export {
  dumpFile,
  readContent,
  type ReadContentOptions,
  type RestoreNotice,
  type RestoreProgress,
  type RestoreRequest,
  restoreFiles,
  type RestoreSummary,
} from "./files-restore/index.ts";
export {
  type FreezeOptions,
  freezeVolumes,
  type FrozenVolumes,
  removeLeftSnapshots,
} from "./snapshots/freeze-volumes.ts";
export type { SnapshotSystem } from "./snapshots/snapshot-system.ts";
export { hasPattern, includePatterns } from "./selection/include-patterns.ts";
export { createInclusion, type Inclusion } from "./selection/inclusion.ts";
export { createNameMatcher, createTextMatcher } from "./selection/name-matcher.ts";
export { createPathInclusion, unionOf } from "./selection/path-inclusion.ts";
export { archiveBytes, type ArchiveForm } from "./archive/archive.ts";
export type { ArchiveEntry } from "./archive/archive-entry.ts";
export { createSelection } from "./selection/selection.ts";
export { powerShell } from "./tools/power-shell.ts";
export { runTool, type ToolCall, type ToolResult, type ToolRunner } from "./tools/tool-runner.ts";
