/** `holdfast agent definition`: what makes this system run the agent. */
import process from "node:process";
import { fileURLToPath } from "node:url";
import { defaultStateDir, serviceDefinition } from "@holdfast/agent";
import { AppError } from "@holdfast/kernel";
import { type CommandCall, EXIT, type Exit } from "../command-call.ts";

const MAIN = fileURLToPath(new URL("../main.ts", import.meta.url));

export function run({ options, output }: CommandCall): Promise<Exit> {
  const definition = serviceDefinition(systemOf(process.platform), {
    program: process.execPath,
    programArguments: [MAIN],
    stateDir: options.text("state") ?? defaultStateDir(),
  });
  if (definition === undefined) {
    throw new AppError("ERR_UNSUPPORTED", `How ${process.platform} runs services is not known.`, {
      remedy: "Let it run `holdfast agent run` after the network is there, and again when it ends.",
    });
  }
  for (const line of definition.text.trimEnd().split("\n")) output.text(line);
  if (definition.path !== undefined) output.note(`This belongs into ${definition.path}.`);
  for (const command of definition.commands) output.note(`  ${command}`);
  output.summary({ ...definition });
  return Promise.resolve(EXIT.done);
}

function systemOf(platform: string): "linux" | "darwin" | "win32" | "other" {
  return platform === "linux" || platform === "darwin" || platform === "win32" ? platform : "other";
}
