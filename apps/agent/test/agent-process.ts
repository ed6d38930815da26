/** An agent as a process of its own: its state folder is its argument; it ends with its input. */
import process from "node:process";
import { runAgent } from "../src/index.ts";

const ending = new AbortController();
process.stdin.resume().on("end", () => ending.abort());
await runAgent({
  stateDir: process.argv[2] ?? "",
  signal: ending.signal,
  environment: {},
  log: (level, text) => process.stderr.write(`${level}: ${text}\n`),
});
