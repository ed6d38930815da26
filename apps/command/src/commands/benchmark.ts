/** `holdfast benchmark`: what this machine can do, and a storage. */
import { availableParallelism, cpus } from "node:os";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Measurement } from "../benchmark/measure.ts";
import { measurePassphrase, measureProcessor } from "../benchmark/processor.ts";
import { measureStorage } from "../benchmark/storage.ts";
import { type CommandCall, EXIT, type Exit } from "../command-call.ts";
import { printable } from "../output/printable.ts";
import { formatBytes } from "../output/quantity.ts";
import { formatTable } from "../output/table.ts";
import { locate } from "../repository-access.ts";
import { openNamedStorage } from "../storage-credentials.ts";

export async function run(call: CommandCall): Promise<Exit> {
  const { output, signal } = call;
  const measurements: Measurement[] = [];
  const add = (measurement: Measurement): void => {
    measurements.push(measurement);
    output.event("measurement", { ...measurement });
  };
  const [named] = call.operands;
  // First, so that a storage that is not there is told at once.
  if (named !== undefined) {
    await using storage = await openNamedStorage(call, locate(call, named));
    for (const measurement of await measureStorage(storage, signal)) add(measurement);
  }
  for (const measurement of measureProcessor()) {
    add(measurement);
    // Lets a signal in.
    await nextTurn();
    signal.throwIfAborted();
  }
  const passphraseMs = measurePassphrase();
  const processor = cpus()[0]?.model ?? "unknown";
  const cores = availableParallelism();
  output.text(`${printable(processor)}, ${String(cores)} cores; one core does:`);
  const columns = [
    { title: "" },
    { title: "" },
    { title: "per second", align: "right" as const },
    { title: "" },
  ];
  for (const line of formatTable(columns, measurements.map(row)).slice(1)) output.text(line);
  output.text(`Trying a passphrase takes ${passphraseMs.toFixed(0)} ms (Argon2id).`);
  output.summary({ processor, cores, passphraseMs, measurements });
  return EXIT.done;
}

function row({ group, name, bytesPerSecond, note }: Measurement): readonly string[] {
  return [group, name, `${formatBytes(bytesPerSecond)}/s`, note ?? ""];
}
