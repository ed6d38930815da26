/** `holdfast agent run`: carries out the tasks of the service, until it is told to stop. */
import { runAgent } from "@holdfast/agent";
import { agentLog } from "../agent-log.ts";
import { type CommandCall, EXIT, type Exit } from "../command-call.ts";

export async function run({ options, output, signal }: CommandCall): Promise<Exit> {
  const state = options.text("state");
  await runAgent({ signal, log: agentLog(output), ...(state === undefined ? {} : { stateDir: state }) });
  return EXIT.done;
}
