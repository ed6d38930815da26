/**
 * What a running agent says of itself, for `agent status`.
 *
 * @module
 */
import { z } from "zod";
import type { StateFolder } from "./state-folder.ts";

const NAME = "status.json";

const statusFile = z.object({
  processId: z.int(),
  startedMs: z.int(),
  connected: z.boolean(),
  /** Why not, when it is not. */
  reason: z.string().optional(),
  runs: z.array(
    z.object({
      run: z.string(),
      kind: z.string(),
      plan: z.string().optional(),
      state: z.enum(["waiting", "running", "ended"]),
    }),
  ),
});
export type RunningStatus = z.infer<typeof statusFile>;

export async function writeStatus(folder: StateFolder, status: RunningStatus): Promise<void> {
  await folder.write(NAME, Buffer.from(`${JSON.stringify(status)}\n`));
}

export async function removeStatus(folder: StateFolder): Promise<void> {
  await folder.remove(NAME);
}

/** Undefined when there is none, or it cannot be read: then nobody knows. */
export async function readStatus(folder: StateFolder): Promise<RunningStatus | undefined> {
  try {
    const bytes = await folder.read(NAME);
    return bytes === undefined ? undefined : statusFile.parse(JSON.parse(bytes.toString("utf8")));
  } catch {
    return undefined;
  }
}
