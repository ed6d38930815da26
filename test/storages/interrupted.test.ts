/**
 * What becomes of a repository when its server dies, its network misbehaves, or the command itself is killed, in the middle
 * of what the command does: on each kind of remote storage, with its real server.
 */
import { suite, test } from "node:test";
import { startFaultProxy } from "../../packages/storage/test/servers/fault-proxy.ts";
import {
  backupAfterKilledCommand,
  backupGivesUp,
  backupThroughRestart,
  cleanAfterwards,
  replicateThroughRestart,
  restoreThroughRestart,
} from "./kills.ts";
import { PLACES } from "./places.ts";
import { newScene } from "./scene.ts";

suite("a server that dies", { concurrency: true }, () => {
  for (const { name, skip, start, killedDuring } of PLACES) {
    test(name, { skip, timeout: 900_000, concurrency: 1 }, async (context) => {
      await using server = await start();
      await using proxy = await startFaultProxy(server.door.port);
      const scene = newScene(context, server, proxy);
      await context.test("during a backup and comes back", () => backupThroughRestart(scene));
      await context.test("during a backup and stays away", () => backupGivesUp(scene));
      const clean = { kill: killedDuring === "clean" };
      await context.test(clean.kill ? "during a clean" : "leaves nothing for ever", () =>
        cleanAfterwards(scene, clean),
      );
      if (killedDuring === "restore")
        await context.test("during a restore", () => restoreThroughRestart(scene));
      if (killedDuring === "replicate")
        await context.test("during a replication to it", () => replicateThroughRestart(scene));
      await context.test("no, the command is killed", () => backupAfterKilledCommand(scene));
    });
  }
});
