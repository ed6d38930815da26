/** Every driver keeps the contract, also seen through a fault storage that has no faults. */
import { mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import { after } from "node:test";
import { testStorage } from "../src/conformance.ts";
import { FaultStorage, MemoryStorage, openLocalStorage } from "../src/index.ts";
import { scratchFolder } from "./scratch-folder.ts";

const scratch = await scratchFolder();
after(() => scratch[Symbol.asyncDispose]());

async function openLocal() {
  return openLocalStorage(await mkdtemp(join(scratch.path, "local-")));
}

testStorage("local", openLocal);
testStorage("memory", async () => new MemoryStorage());
testStorage(
  "memory without free space",
  async () => new MemoryStorage({ capabilities: { freeSpace: false } }),
);
testStorage("memory through faults", async () => new FaultStorage(new MemoryStorage()));
testStorage("local through faults", async () => new FaultStorage(await openLocal()));
