import { homedir } from "node:os";
import { join } from "node:path";

/** The agent's state folder: as given, root's, or the user's (XDG Base Directory Specification). */
export function agentState(given: string | undefined): string {
  if (given !== undefined) return given;
  if (process.getuid?.() === 0) return "/var/lib/holdfast/agent";
  const { XDG_STATE_HOME: state = "" } = process.env;
  return join(state === "" ? join(homedir(), ".local", "state") : state, "holdfast", "agent");
}
