/** `holdfast agent status`: which device this machine is, and of which service. */
import { agentStatus } from "@holdfast/agent";
import { agentState } from "../agent-state.ts";
import { type CommandCall, EXIT, type Exit } from "../command-call.ts";

export async function run({ options, output }: CommandCall): Promise<Exit> {
  const status = await agentStatus(agentState(options.text("state")));
  output.text(`Device ${status.deviceId} of ${status.service}.`);
  output.text(
    status.running ? "The agent runs." : "The agent does not run: start it with `holdfast agent run`.",
  );
  output.text(`Its certificate is valid until ${new Date(status.certificateExpiresAt).toISOString()}.`);
  output.summary({ ...status });
  return EXIT.done;
}
