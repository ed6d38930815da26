/**
 * What a person asks: is this machine enrolled, where, and does its agent run?
 *
 * @module
 */
import { certificateTimes, readIdentity } from "./identity/identity.ts";
import { type AgentPlatform, currentPlatform, defaultStateDir } from "./platform/platform.ts";
import { isLocked } from "./state/folder-lock.ts";
import { openStateFolder } from "./state/state-folder.ts";
import { readStatus, type RunningStatus } from "./state/status-file.ts";

export interface AgentStatus {
  readonly stateDir: string;
  readonly device: string;
  readonly service: string;
  /** Milliseconds since the epoch. */
  readonly certificateUntilMs: number;
  readonly methods: readonly string[];
  readonly isRunning: boolean;
  /** What the agent said last; absent when none runs. */
  readonly agent?: RunningStatus;
}

/** @throws AppError `ERR_AGENT_NOT_ENROLLED`, `ERR_AGENT_STATE`. */
export async function agentStatus(
  stateDir?: string,
  platform: AgentPlatform = currentPlatform(),
): Promise<AgentStatus> {
  const path = stateDir ?? defaultStateDir(platform);
  const { hasModes, methods } = platform.module;
  const folder = await openStateFolder(path, { create: false, hasModes });
  const identity = await readIdentity(folder);
  const isRunning = isLocked(path);
  const agent = isRunning ? await readStatus(folder) : undefined;
  const { device, service } = identity;
  const certificateUntilMs = certificateTimes(identity).untilMs;
  const status = { stateDir: path, device, service, certificateUntilMs, methods, isRunning };
  return agent === undefined ? status : { ...status, agent };
}
