/**
 * Runs the command in this process, says so, and stays until its input ends: what is still in memory after the work is
 * done can be looked at.
 *
 * @module
 */
import process from "node:process";
import { runCommand } from "../src/run.ts";

const exit = await runCommand(process.argv.slice(2));
process.stderr.write(`stays after ${String(exit)}\n`);
process.stdin.resume().on("end", () => process.exit(exit));
