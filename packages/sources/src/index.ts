// The public surface of this package.
export { takeEnvironmentSecret } from "./posix/environment-secret.ts";
export {
  dumpFile,
  type RestoreNotice,
  type RestoreProgress,
  type RestoreRequest,
  restoreFiles,
  type RestoreSummary,
} from "./files-restore/index.ts";
export { createInclusion, type Inclusion } from "./selection/inclusion.ts";
