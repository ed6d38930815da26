// The command `holdfast`.
import process from "node:process";

const argumentsGiven = process.argv.slice(2);

if (argumentsGiven.length === 1 && argumentsGiven[0] === "--version") {
  const { version } = await import("./version.ts");
  process.stdout.write(`holdfast ${version()}\n`);
} else {
  const { runCommand } = await import("./run.ts");
  const exit = await runCommand(argumentsGiven);
  // Not left to the event loop: whatever may still hold it, the command has come to its end.
  process.exit(exit);
}
