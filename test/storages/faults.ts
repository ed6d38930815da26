/**
 * Whole backups and restores over a network that is slow, loses its connections, or changes what it transports.
 *
 * @module
 */
import assert from "node:assert/strict";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { eventsOf, summaryOf } from "../../apps/command/test/run-holdfast.ts";
import { assertRestores, assertSame, assertSound, ok, run, type Scene, urlOf } from "./scene.ts";

/** More than a pack, which goes over one connection. */
const CUT_BYTES = 36_000_000;
const BYTES_PER_SECOND = 25_000_000;
/** Each way. */
const DELAY_MS = 25;
/** In the middle of the first pack. */
const CORRUPT_BYTE = 8_000_000;
const EXIT_DAMAGED = 5;

export async function overSlowNetwork(scene: Scene): Promise<void> {
  const { proxy, source } = scene;
  const url = urlOf(scene, "slow");
  await ok(scene, ["init", url]);
  for (const [faults, part] of [
    [{ delayMs: DELAY_MS }, join(source, "small")],
    [{ bytesPerSecond: BYTES_PER_SECOND }, join(source, "large-0")],
  ] as const) {
    await proxy.set(faults);
    await ok(scene, ["backup", url, part]);
    await assertRestores(scene, url, part);
  }
  await proxy.set();
  await assertSound(scene, url);
}

export async function overCutConnections(scene: Scene): Promise<void> {
  const { proxy, source } = scene;
  const url = urlOf(scene, "cut", "parallel=1");
  await ok(scene, ["init", url]);
  await proxy.set({ cut: { direction: "toServer", afterBytes: CUT_BYTES } });
  await ok(scene, ["backup", url, source]);
  assert(proxy.cuts > 0);
  await proxy.set({ cut: { direction: "toClient", afterBytes: CUT_BYTES } });
  await assertRestores(scene, url, source);
  assert(proxy.cuts > 0);
  await proxy.set();
  await assertSound(scene, url);
}

/** Where the connection itself notices what was changed, both ways. */
export async function overCorruptingNetwork(scene: Scene): Promise<void> {
  const { proxy, source } = scene;
  const part = join(source, "large-0");
  const url = urlOf(scene, "corrupted", "parallel=1");
  await ok(scene, ["init", url]);
  await proxy.set({ corrupt: { direction: "toServer", atByte: CORRUPT_BYTE, times: 2 } });
  await ok(scene, ["backup", url, part]);
  assert.equal(proxy.corruptions, 2);
  await proxy.set({ corrupt: { direction: "toClient", atByte: CORRUPT_BYTE, times: 2 } });
  await assertRestores(scene, url, part);
  assert.equal(proxy.corruptions, 2);
  await proxy.set();
  await assertSound(scene, url);
}

/** Where nothing but the storage, or the repository itself, can notice it: nothing wrong is restored, and `verify` finds it. */
export async function overTrustingNetwork(scene: Scene): Promise<void> {
  const { proxy, source } = scene;
  const part = join(source, "large-0");
  const url = urlOf(scene, "trusting", "parallel=1");
  await ok(scene, ["init", url]);
  await ok(scene, ["backup", url, part]);
  await proxy.set({ corrupt: { direction: "toClient", atByte: CORRUPT_BYTE, times: 1 } });
  await assertRestoresRight(scene, url, part);
  assert.equal(proxy.corruptions, 1);
  await proxy.set();
  const other = join(source, "large-1");
  await proxy.set({ corrupt: { direction: "toServer", atByte: CORRUPT_BYTE, times: 1 } });
  await ok(scene, ["backup", url, other]);
  assert.equal(proxy.corruptions, 1);
  await proxy.set();
  if (scene.door.noticesChanges) {
    await assertSound(scene, url);
    await assertRestores(scene, url, other);
    return;
  }
  const verified = await run(scene, ["verify", url, "--read-data", "--json"]);
  assert.equal(verified.exit, EXIT_DAMAGED);
  assert.match(JSON.stringify(summaryOf(verified)["damaged"]), /^\[\{"object":"packs\/.*large-1"/u);
  assert.equal(await assertRestoresRight(scene, url, other), false);
}

/** Restores the file, or says that it cannot; tells which. */
async function assertRestoresRight(scene: Scene, url: string, file: string): Promise<boolean> {
  const target = scene.bench.path("restored");
  const outcome = await run(scene, ["restore", url, "latest", "--target", target, "--json"]);
  if (outcome.exit === 0) {
    assertSame(file, target);
    return true;
  }
  assert.equal(outcome.exit, EXIT_DAMAGED, outcome.stdout);
  const [warning] = eventsOf(outcome, "warning");
  assert.equal(warning?.["code"], "ERR_DAMAGED");
  assert(!existsSync(join(target, file)));
  rmSync(target, { recursive: true });
  return false;
}
