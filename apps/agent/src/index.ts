// The public surface of this package.
export { type AgentOptions, runAgent } from "./agent.ts";
export type { AgentLog } from "./agent-log.ts";
export { enroll, type Enrolled, type EnrolOptions } from "./enrolment/enroll.ts";
export { defaultStateDir } from "./platform/platform.ts";
export { agentStatus, type AgentStatus } from "./status.ts";
export { serviceDefinition, type ServiceDefinition } from "./definitions/index.ts";
export { systemdWord } from "./definitions/systemd-unit.ts";
export type { Installation } from "./definitions/installation.ts";
