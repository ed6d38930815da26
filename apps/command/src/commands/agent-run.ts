/** `holdfast agent run`: carries out the tasks of the service, until it is told to stop. */
import { runAgent } from "@holdfast/agent";
import { agentState } from "../agent-state.ts";
import { type CommandCall, EXIT, type Exit } from "../command-call.ts";
import { version } from "../version.ts";

export async function run({ options, output, signal }: CommandCall): Promise<Exit> {
  await runAgent({
    stateDir: agentState(options.text("state")),
    version: version(),
    signal,
    log: (line) => output.note(line),
  });
  return EXIT.done;
}
