/** Downloads: who may send what, what becomes of it when it is not whole, and what its headers say. */
import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { suite, test } from "node:test";
import { isAppError, newId } from "@holdfast/kernel";
import { UPLOAD_CLOSE_CODES } from "@holdfast/protocol";
import fc from "fast-check";
import type { WebSocket } from "ws";
import { contentDisposition } from "../src/downloads/content-disposition.ts";
import { askedRange } from "../src/downloads/range.ts";
import { takeTransfer, type Transfer } from "../src/downloads/transfer.ts";
import { createTransfers } from "../src/downloads/transfers.ts";

/** What the service uses of a connection. */
class Line extends EventEmitter {
  readonly codes: number[] = [];
  isPaused = false;

  close(code: number): void {
    this.codes.push(code);
  }

  terminate(): void {
    this.emit("close", 1006);
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
  }

  text(value: unknown): void {
    this.emit("message", Buffer.from(JSON.stringify(value)), false);
  }

  bytes(value: Buffer): void {
    this.emit("message", value, true);
  }

  take(): Promise<Transfer> {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a part of it is enough here
    return takeTransfer(this as unknown as WebSocket);
  }
}

const HEAD = { form: "file", name: "a", size: 6 };

async function read(transfer: Transfer): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of transfer.stream) {
    assert(Buffer.isBuffer(piece));
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString();
}

suite("bytes of a device", () => {
  test("pass when they are whole, and the device is told", async () => {
    const line = new Line();
    const taking = line.take();
    line.text(HEAD);
    const transfer = await taking;
    assert.deepEqual(transfer.head, HEAD);
    const reading = read(transfer);
    line.bytes(Buffer.from("abc"));
    line.bytes(Buffer.from("def"));
    line.text({ bytes: 6 });
    assert.equal(await reading, "abcdef");
    assert.deepEqual(line.codes, [UPLOAD_CLOSE_CODES.done]);
  });

  test("end in an error when they are anything but what was announced", async () => {
    const wrong: Readonly<Record<string, (line: Line) => void>> = {
      "too few, well ended": (line) => line.text({ bytes: 3 }),
      "too few, ended as announced": (line) => line.text({ bytes: 6 }),
      "broken off": (line) => line.terminate(),
      "too many": (line) => line.bytes(Buffer.from("defg")),
      "a second head": (line) => line.text(HEAD),
      "no JSON": (line) => void line.emit("message", Buffer.from("{"), false),
      "more after the end": (line) => {
        line.bytes(Buffer.from("def"));
        line.text({ bytes: 6 });
        line.bytes(Buffer.from("g"));
      },
    };
    for (const [what, go] of Object.entries(wrong)) {
      const line = new Line();
      const taking = line.take();
      line.text(HEAD);
      const transfer = await taking;
      line.bytes(Buffer.from("abc"));
      go(line);
      await assert.rejects(read(transfer), what);
      assert(!line.codes.includes(UPLOAD_CLOSE_CODES.done), what);
    }
  });

  test("before a head, or a wrong one, are never begun with", async () => {
    for (const [go, code] of [
      [(line: Line) => line.bytes(Buffer.from("abc")), "ERR_PROTOCOL"],
      [(line: Line) => line.text({ form: "exe" }), "ERR_PROTOCOL"],
      [(line: Line) => line.terminate(), "ERR_RUN_LOST"],
    ] as const) {
      const line = new Line();
      const taking = line.take();
      go(line);
      line.terminate();
      await assert.rejects(taking, (error) => isAppError(error, code));
    }
  });

  test("wait as long as nobody takes them", async () => {
    const line = new Line();
    const taking = line.take();
    line.text({ form: "zip", name: "a" });
    const { stream } = await taking;
    for (let number = 0; number < 100 && !line.isPaused; number += 1) line.bytes(Buffer.alloc(16 * 1024));
    assert(line.isPaused);
    assert(stream.readableLength <= 128 * 1024);
    stream.destroy();
    assert.deepEqual(line.codes, [UPLOAD_CLOSE_CODES.stopped]);
  });
});

suite("who waits for a download", () => {
  test("gets it from the one device that it is for, once", async () => {
    const transfers = createTransfers();
    const [task, device, other] = [newId("task"), newId("dev"), newId("dev")];
    const { arrival } = transfers.expect(task, device);
    assert.equal(transfers.claim(task, other), undefined);
    assert.equal(transfers.claim(newId("task"), device), undefined);
    const accept = transfers.claim(task, device);
    assert(accept !== undefined);
    assert.equal(transfers.claim(task, device), undefined);
    accept(Promise.reject(new Error("broken")));
    await assert.rejects(arrival, /broken/u);
  });

  test("is one of few at a time", () => {
    const transfers = createTransfers();
    const places = Array.from({ length: 4 }, () => transfers.enter("ada"));
    assert.throws(
      () => transfers.enter("ada"),
      (error) => isAppError(error, "ERR_TOO_MANY_ATTEMPTS"),
    );
    places[0]?.leave();
    places[0]?.leave();
    transfers.enter("ada");
    assert.throws(
      () => transfers.enter("ada"),
      (error) => isAppError(error, "ERR_TOO_MANY_ATTEMPTS"),
    );
    for (let number = 0; number < 28; number += 1) transfers.enter(`user ${String(number)}`);
    assert.throws(
      () => transfers.enter("one more"),
      (error) => isAppError(error, "ERR_TOO_MANY_ATTEMPTS"),
    );
  });
});

suite("the headers of a download", () => {
  test("name any file without leaving their line or its quotes", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 300 }), (name) => {
        const value = contentDisposition(name);
        const match =
          /^attachment; filename="([^"\\]*)"; filename\*=UTF-8''([A-Za-z0-9%._~!#$&+^`|-]+)$/u.exec(value);
        assert(match !== null, value);
        const decoded = decodeURIComponent(match[2] ?? "");
        assert.doesNotMatch(decoded, /[\p{Cc}\p{Cf}/\\]/u);
        assert(decoded.length > 0 && decoded.length <= 200);
        assert(!/^\.+$/u.test(decoded));
      }),
    );
    assert.match(contentDisposition(".."), /filename="download"/u);
    assert.match(contentDisposition('a"; filename="b'), /filename="a__ filename__b"/u);
    assert.match(contentDisposition(`${"x".repeat(500)}.pdf`), /x\.pdf"/u);
  });

  test("take one range from a byte on, and nothing else", () => {
    assert.deepEqual(askedRange("bytes=0-0"), { from: 0, to: 1 });
    assert.deepEqual(askedRange("bytes=5-"), { from: 5 });
    for (const other of [
      undefined,
      "",
      "bytes=-5",
      "bytes=5-4",
      "bytes=0-1,3-4",
      "items=0-1",
      "bytes=a-b",
      "bytes=0x1-",
    ])
      assert.equal(askedRange(other), undefined, String(other));
  });
});
