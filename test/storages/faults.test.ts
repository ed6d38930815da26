/** Whole repositories over a network that misbehaves, on each kind of remote storage, with its real server. */
import { suite, test } from "node:test";
import { startFaultProxy } from "../../packages/storage/test/servers/fault-proxy.ts";
import { overCorruptingNetwork, overCutConnections, overSlowNetwork, overTrustingNetwork } from "./faults.ts";
import { PLACES } from "./places.ts";
import { newScene } from "./scene.ts";

suite("a network", { concurrency: true }, () => {
  for (const { name, skip, start } of PLACES) {
    test(name, { skip, timeout: 900_000, concurrency: 1 }, async (context) => {
      await using server = await start();
      await using proxy = await startFaultProxy(server.door.port);
      const scene = newScene(context, server, proxy);
      await context.test("that is slow", () => overSlowNetwork(scene));
      await context.test("that cuts connections", () => overCutConnections(scene));
      if (server.door.noticesChanges)
        await context.test("that changes bytes", () => overCorruptingNetwork(scene));
      const { openDoor } = server;
      if (openDoor === undefined) return;
      await using openProxy = await startFaultProxy(openDoor.port);
      await context.test("that changes bytes nobody protects", () =>
        overTrustingNetwork({ ...scene, door: openDoor, proxy: openProxy }),
      );
    });
  }
});
