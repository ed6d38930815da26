import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { Worker } from "node:worker_threads";
import { isAppError } from "@holdfast/kernel";
import { MemoryStorage } from "@holdfast/storage";
import { answerRequests, openRequestedObjects } from "../src/reading/requested-objects.ts";

const ASKER = `
  const { parentPort, workerData } = require("node:worker_threads");
  import(workerData.module).then(({ openRequestedObjects }) => {
    const objects = openRequestedObjects(workerData.shared, workerData.port);
    const attempt = () => {
      try {
        return objects.read("packs/a", 1, 3, 5).toString();
      } catch (error) {
        return error.code;
      }
    };
    parentPort.on("message", () => parentPort.postMessage(attempt()));
    parentPort.postMessage("ready");
  });
`;

suite("blocking reads through the main thread", () => {
  test("are answered while the storage is open, and refused by whoever asks later", async (context) => {
    const storage = new MemoryStorage();
    await storage.put("packs/a", Buffer.from("hello"));
    const requests = answerRequests(storage);
    const { shared, port } = requests.source;
    const module = new URL("../src/reading/requested-objects.ts", import.meta.url).href;
    const worker = new Worker(ASKER, {
      eval: true,
      workerData: { shared, port, module },
      transferList: [port],
    });
    context.after(() => worker.terminate());
    const heard = (): Promise<unknown> => new Promise((resolve) => worker.once("message", resolve));
    assert.equal(await heard(), "ready");
    worker.postMessage("ask", []);
    assert.equal(await heard(), "ell");
    requests[Symbol.dispose]();
    worker.postMessage("ask", []);
    const refused = await Promise.race([
      heard(),
      new Promise((resolve) => setTimeout(resolve, 60_000, "waits").unref()),
    ]);
    assert.equal(refused, "ERR_CANCELLED");
  });

  test("are refused at once when nobody has answered yet", () => {
    const requests = answerRequests(new MemoryStorage());
    const objects = openRequestedObjects(requests.source.shared, requests.source.port);
    requests[Symbol.dispose]();
    assert.throws(
      () => objects.read("packs/a", 0, 1, 1),
      (error) => isAppError(error, "ERR_CANCELLED"),
    );
    objects.close();
  });
});
