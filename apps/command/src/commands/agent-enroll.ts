/** `holdfast agent enroll`: makes this machine a device of a service. */
import { hostname } from "node:os";
import { enroll } from "@holdfast/agent";
import { AppError } from "@holdfast/kernel";
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
  const state = options.text("state");
  const name = options.text("name") ?? hostname();
  const proxy = options.text("proxy");
  const { device } = await enroll({
    service,
    code,
    name,
    signal,
    ...(state === undefined ? {} : { stateDir: state }),
    ...(proxy === undefined ? {} : { proxy }),
  });
  output.text(`This machine is now the device ${name} (${device}).`);
  output.text(`Start its agent with: holdfast agent run${state === undefined ? "" : ` --state ${state}`}`);
  output.summary({ device, name });
  return EXIT.done;
}
