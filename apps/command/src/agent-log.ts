import type { AgentLog } from "@holdfast/agent";
import type { Output } from "./output/output.ts";

/** What an agent says, as the command says things. */
export function agentLog(output: Output): AgentLog {
  return (level, text) => {
    if (level === "info") output.note(text);
    else output.warning({ message: text });
  };
}
