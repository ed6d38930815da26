/** That transfers keep their rate evenly: by a clock that moves only when somebody sleeps on it. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { suite, test, type TestContext } from "node:test";
import type { Clock } from "@holdfast/kernel";
import { openConnections } from "../src/remote/connections.ts";
import { collect, exchange, type HttpSettings } from "../src/remote/http-exchange.ts";
import type { RemoteDriver } from "../src/remote/driver.ts";
import { newTransferRate, Pace } from "../src/remote/limits.ts";
import { smbServerAbsence, startSmbServer } from "./servers/smb-server.ts";
import { openOn } from "./servers/smb-clients.ts";
import { openSftp } from "../src/sftp/sftp-driver.ts";
import { sshdMissing, startSftpServer } from "./servers/sftp-server.ts";
import { never, noise, open } from "./servers/webdav-storage.ts";
import { startWebdavServer, webdavServerMissing } from "./servers/webdav-server.ts";

const MEBIBYTE = 1024 * 1024;
const BYTES_PER_SECOND = 2 * MEBIBYTE;
/** Of any second: its share, what may be made up for, and the piece at its end. */
const SECOND_MAX = BYTES_PER_SECOND * (1 + 1 / 8 + 1 / 16);

interface Taken {
  readonly atMs: number;
  readonly bytes: number;
}

/** A clock of its own, and what was let through by it, and when. */
function newRate(): { rate: { up: RecordedPace; down: RecordedPace } } {
  const clock = new JumpingClock();
  return { rate: { up: new RecordedPace(clock), down: new RecordedPace(clock) } };
}

/** Those who sleep are woken one by one, in the order of their times. */
class JumpingClock implements Clock {
  #nowMs = 0;
  readonly #sleepers: { readonly untilMs: number; readonly wake: () => void }[] = [];

  now(): number {
    return this.#nowMs;
  }

  monotonic(): number {
    return this.#nowMs;
  }

  sleep(ms: number): Promise<void> {
    return new Promise((wake) => {
      this.#sleepers.push({ untilMs: this.#nowMs + ms, wake });
      this.#sleepers.sort((a, b) => a.untilMs - b.untilMs);
      setImmediate(() => {
        const next = this.#sleepers.shift();
        if (next === undefined) return;
        this.#nowMs = Math.max(this.#nowMs, next.untilMs);
        next.wake();
      });
    });
  }
}

class RecordedPace extends Pace {
  readonly taken: Taken[] = [];
  readonly #clock: Clock;

  constructor(clock: Clock) {
    super(BYTES_PER_SECOND, clock);
    this.#clock = clock;
  }

  override async take(bytes: number, signal?: AbortSignal): Promise<void> {
    await super.take(bytes, signal);
    this.taken.push({ atMs: this.#clock.monotonic(), bytes });
  }
}

function assertSmooth({ taken }: RecordedPace, total: number): void {
  const passed = taken.reduce((sum, { bytes }) => sum + bytes, 0);
  // Of what has come, the last piece may still be held back from those that would come next.
  assert(passed > total * 0.98 && passed < total * 1.01, `${String(passed)} of ${String(total)} bytes`);
  for (const { atMs } of taken) {
    const second = taken.filter((one) => one.atMs >= atMs && one.atMs < atMs + 1000);
    const bytes = second.reduce((sum, one) => sum + one.bytes, 0);
    assert(bytes <= SECOND_MAX, `${String(bytes)} bytes in the second from ${String(atMs)} ms on`);
  }
  const tookMs = (taken.at(-1)?.atMs ?? 0) - (taken[0]?.atMs ?? 0) + 125;
  const dueMs = (total / BYTES_PER_SECOND) * 1000;
  assert(tookMs >= dueMs * 0.97 && tookMs < dueMs * 1.2, `${String(tookMs)} ms`);
}

/** Both ways; what the protocol itself says before does not count. */
async function assertDriverSmooth(
  driver: RemoteDriver,
  { up, down }: ReturnType<typeof newRate>["rate"],
): Promise<void> {
  const body = noise(4 * MEBIBYTE);
  await driver.put("packs/a", Buffer.from("first"), undefined, never);
  up.taken.length = 0;
  await driver.put("packs/b", body, undefined, never);
  assertSmooth(up, body.length);
  down.taken.length = 0;
  assert((await driver.get("packs/b", undefined, never)).equals(body));
  assertSmooth(down, body.length);
}

suite("the rate of transfers", () => {
  test("is kept in every second, by many transfers at once", async () => {
    const { rate } = newRate();
    const piece = rate.up.pieceLength(256 * 1024);
    assert.equal(piece, BYTES_PER_SECOND / 16);
    const transfer = async (): Promise<void> => {
      for (let done = 0; done < MEBIBYTE; done += piece) await rate.up.take(piece);
    };
    await Promise.all(Array.from({ length: 8 }, transfer));
    assertSmooth(rate.up, 8 * MEBIBYTE);
  });

  test("has pieces that are neither endless nor tiny", () => {
    const { up } = newTransferRate(1, new JumpingClock());
    assert.equal(up.pieceLength(256 * 1024), 1024);
    assert.equal(up.pieceLength(100), 100);
    const fast = newTransferRate(1e9, new JumpingClock());
    assert.equal(fast.up.pieceLength(256 * 1024), 256 * 1024);
  });

  test("is kept within a body of HTTP, both ways", async (context) => {
    const { rate } = newRate();
    const settings = await startEcho(context, rate);
    const body = noise(4 * MEBIBYTE);
    const { port, http } = settings;
    const message = {
      method: "PUT",
      secure: false,
      hostname: "127.0.0.1",
      port,
      path: "/",
      headers: {},
      body,
    };
    const answer = await exchange(http, message, undefined, (incoming) => collect(incoming, body.length));
    assert(answer.body.equals(body));
    assertSmooth(rate.up, body.length);
    assertSmooth(rate.down, body.length);
  });

  test("is kept by WebDAV, both ways", { skip: webdavServerMissing, timeout: 60_000 }, async () => {
    await using server = await startWebdavServer({ tls: true, authentication: "basic" });
    const { rate } = newRate();
    await using driver = await open(server, { rate });
    await assertDriverSmooth(driver, rate);
  });

  test("is kept by SFTP, both ways", { skip: sshdMissing, timeout: 60_000 }, async () => {
    await using server = await startSftpServer();
    const { rate } = newRate();
    await using driver = await openSftp(server.url(server.folder), {
      credentials: () => Promise.resolve({ keyFiles: [server.keyFile] }),
      knownHosts: [server.knownHosts],
      rate,
    });
    await assertDriverSmooth(driver, rate);
  });

  test("is kept by SMB, both ways", { skip: smbServerAbsence() ?? false, timeout: 60_000 }, async () => {
    await using server = await startSmbServer([]);
    const { rate } = newRate();
    await using driver = openOn(server, "storage/rate", { rate });
    await assertDriverSmooth(driver, rate);
  });
});

async function startEcho(
  context: TestContext,
  rate: NonNullable<HttpSettings["rate"]>,
): Promise<{ readonly port: number; readonly http: HttpSettings }> {
  const server: Server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => response.end(Buffer.concat(chunks)));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  assert(typeof address === "object" && address !== null);
  const connections = openConnections({
    ca: undefined,
    fingerprint: undefined,
    connections: 4,
    connectTimeoutMs: 5000,
  });
  context.after(() => {
    connections[Symbol.dispose]();
    server.closeAllConnections();
    server.close();
  });
  return { port: address.port, http: { connections, allowPlainHttp: false, idleTimeoutMs: 10_000, rate } };
}
