/** `holdfast agent enroll`: makes this machine a device of a service. */
import { hostname } from "node:os";
import { enroll } from "@holdfast/agent";
import { AppError } from "@holdfast/kernel";
import { agentState } from "../agent-state.ts";
import { type CommandCall, EXIT, type Exit } from "../command-call.ts";

export async function run({ options, output, signal }: CommandCall): Promise<Exit> {
  const service = options.text("service");
  const code = options.text("code");
  if (service === undefined || code === undefined) {
    throw new AppError("ERR_USAGE", "Enrolment needs the service's address and a code.", {
      remedy:
        "holdfast agent enroll --service URL --code CODE; an administrator gets the code from the service.",
    });
  }
  const stateDir = agentState(options.text("state"));
  const name = options.text("name") ?? hostname();
  const { deviceId } = await enroll({ stateDir, service, code, name, signal });
  output.text(`This machine is now the device ${name} (${deviceId}).`);
  output.text("Start it with: holdfast agent run");
  output.summary({ device: deviceId, name });
  return EXIT.done;
}
