/** What an agent tells the person who runs it: one line each, never a secret. */
export type AgentLog = (level: "info" | "warning" | "error", text: string) => void;
