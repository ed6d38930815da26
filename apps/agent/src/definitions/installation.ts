/** What a service manager has to know of an installed agent. */
export interface Installation {
  /** Full path of the command `holdfast`, or of the program that runs it. */
  readonly program: string;
  /** Words before `agent run`, such as the path of a script. */
  readonly programArguments: readonly string[];
  /** Full path of the state folder. */
  readonly stateDir: string;
}

/** Seconds that a manager waits before it kills: the agent cancels its runs and tells the service within 15. */
export const STOP_SECONDS = 30;
/** Between two starts of an agent that fails. */
export const RESTART_SECONDS = 10;

export function commandOf({ program, programArguments, stateDir }: Installation): readonly string[] {
  return [program, ...programArguments, "agent", "run", "--state", stateDir];
}
