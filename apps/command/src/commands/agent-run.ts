/** `holdfast agent run`: carries out the tasks of the service, until it is told to stop. */
import { runAgent } from "@holdfast/agent";
import { agentLog } from "../agent-log.ts";
import { type CommandCall, EXIT, type Exit } from "../command-call.ts";
import { cancelled } from "../interrupt.ts";

export async function run({ options, output, signal }: CommandCall): Promise<Exit> {
  const state = options.text("state");
  const ended = AbortSignal.any([signal, parentGone()]);
  await runAgent({
    signal: ended,
    log: agentLog(output),
    ...(state === undefined ? {} : { stateDir: state }),
  });
  return EXIT.done;
}

/** The worker of a service ends with it, however that ends. */
function parentGone(): AbortSignal {
  const gone = new AbortController();
  process.once("disconnect", () => gone.abort(cancelled("The service that it belongs to has ended.")));
  process.channel?.unref();
  return gone.signal;
}
