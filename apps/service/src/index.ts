// The public surface of this package.
export { type ListenAddress, type RunningService, type ServiceOptions, startService } from "./service.ts";
export { makeNewUnlockFile, type Verification, verifyDatabase } from "./secrets/administration.ts";
