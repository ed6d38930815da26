/** `holdfast agent status`: which device this machine is, and of which service. */
import { agentStatus } from "@holdfast/agent";
import { type CommandCall, EXIT, type Exit } from "../command-call.ts";

export async function run({ options, output }: CommandCall): Promise<Exit> {
  const status = await agentStatus(options.text("state"));
  output.text(`Device ${status.device} of ${status.service}.`);
  output.text(
    status.isRunning ? "Its agent runs." : "Its agent does not run: start it with `holdfast agent run`.",
  );
  output.text(`Its certificate is valid until ${new Date(status.certificateUntilMs).toISOString()}.`);
  output.summary({ ...status });
  return EXIT.done;
}
