// The public surface of this package.
export * from "./agent/enrolment-code.ts";
export * from "./agent/enrolment.ts";
export * from "./agent/lease.ts";
export * from "./agent/messages.ts";
export * from "./agent/results.ts";
export * from "./agent/tasks.ts";
export * from "./limits.ts";
export * from "./values.ts";
export * from "./api/audit.ts";
export * from "./api/common.ts";
export * from "./api/copies.ts";
export * from "./api/devices.ts";
export * from "./api/plans.ts";
export * from "./api/storages.ts";
export * from "./api/tasks.ts";
