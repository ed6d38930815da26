// What the rest of this package uses of restoring files.
export { dumpFile, readContent, type ReadContentOptions } from "./dump-file.ts";
export type { RestoreNotice, RestoreProgress, RestoreRequest, RestoreSummary } from "./request.ts";
export { restoreFiles } from "./restore-files.ts";
