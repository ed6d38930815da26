// What the rest of this package uses of verification.
export type { DamagedObject, FoundDamage, VerifyProgress, VerifyResult } from "./report.ts";
export { verifyObjects, type VerifyObjectsOptions } from "./verify-objects.ts";
export { verifyRepository, type VerifyRequest } from "./verify-repository.ts";
