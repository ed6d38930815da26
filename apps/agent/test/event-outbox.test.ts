/** Events of a run until the service has stored them. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { EVENTS_UNACKNOWLEDGED_MAX, FRAME_BYTES_MAX, type RunEvent, runEvent } from "@holdfast/protocol";
import fc from "fast-check";
import { EventOutbox } from "../src/runs/event-outbox.ts";
import { bounded, failedEvent, logEvent, warningEvent } from "../src/runs/event-text.ts";

const log = (text: string): RunEvent => logEvent("info", text);

function drain(outbox: EventOutbox): number[] {
  const numbers: number[] = [];
  for (let next = outbox.next(); next !== undefined; next = outbox.next()) numbers.push(next.number);
  return numbers;
}

suite("The outbox of a run", () => {
  test("numbers events from 1 without gaps, whatever connections and acknowledgements do", () => {
    const step = fc.oneof(
      fc.constant("add" as const),
      fc.constant("send" as const),
      fc.constant("reconnect" as const),
      fc.record({ acknowledge: fc.nat(20) }, { noNullPrototype: true }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const outbox = new EventOutbox();
        let stored = 0;
        let sentOnThis = 0;
        let added = 0;
        const receive = (): void => {
          const next = outbox.next();
          if (next === undefined) return;
          // On one connection every event comes once, and none is left out.
          assert.ok(sentOnThis === 0 ? next.number <= stored + 1 : next.number === sentOnThis + 1);
          sentOnThis = next.number;
          stored = Math.max(stored, next.number);
        };
        for (const one of steps) {
          if (one === "add") {
            outbox.add(log("x"), 1);
            added += 1;
          } else if (one === "send") receive();
          else if (one === "reconnect") {
            outbox.rewind();
            sentOnThis = 0;
          } else {
            const number = Math.min(one.acknowledge, stored);
            assert.ok(outbox.acknowledge(number));
            if (sentOnThis !== 0) sentOnThis = Math.max(sentOnThis, number);
          }
        }
        outbox.rewind();
        sentOnThis = 0;
        for (let count = 0; count < added; count += 1) receive();
        assert.equal(stored, added);
      }),
    );
  });

  test("refuses an acknowledgement of what was never there", () => {
    const outbox = new EventOutbox();
    outbox.add(log("one"), 1);
    assert.equal(outbox.acknowledge(2), false);
    assert.equal(outbox.acknowledge(1), true);
    assert.equal(outbox.acknowledge(1), true);
    assert.equal(outbox.nextEvent, 2);
  });

  test("counts what it has no room for, and keeps the end", () => {
    const outbox = new EventOutbox();
    for (let count = 0; count < EVENTS_UNACKNOWLEDGED_MAX + 5; count += 1) outbox.add(log("x"), 1);
    outbox.add({ kind: "cancelled" }, 1);
    outbox.add(log("after the end"), 1);
    const numbers = drain(outbox);
    assert.equal(numbers.length, EVENTS_UNACKNOWLEDGED_MAX + 2);
    outbox.acknowledge(EVENTS_UNACKNOWLEDGED_MAX);
    outbox.rewind();
    const told = outbox.next()?.event;
    assert.ok(told?.kind === "log" && told.text.startsWith("5 warnings and lines"), JSON.stringify(told));
    assert.deepEqual(outbox.next()?.event, { kind: "cancelled" });
    assert.ok(!outbox.isDone);
    outbox.acknowledge(EVENTS_UNACKNOWLEDGED_MAX + 2);
    assert.ok(outbox.isDone);
  });

  test("has one end, and nothing behind it", () => {
    const outbox = new EventOutbox();
    outbox.add({ kind: "cancelled" }, 1);
    outbox.add(log("late"), 1);
    outbox.add({ kind: "succeeded", result: {} }, 1);
    assert.equal(outbox.next()?.event.kind, "cancelled");
    assert.equal(outbox.next(), undefined);
  });

  test("goes on behind what is acknowledged though it did not leave on this connection", () => {
    const outbox = new EventOutbox();
    for (const text of ["one", "two", "three"]) outbox.add(log(text), 1);
    for (let sent = 0; sent < 2; sent += 1) outbox.next();
    outbox.rewind();
    assert.ok(outbox.acknowledge(2));
    assert.equal(outbox.next()?.number, 3);
  });

  test("has room again for what was acknowledged", () => {
    const outbox = new EventOutbox();
    for (let round = 0; round < 3; round += 1) {
      for (let count = 0; count < 1000; count += 1) outbox.add(log("x".repeat(4000)), 1);
      assert.ok(outbox.acknowledge(1000 * (round + 1)), "all of them were kept");
    }
  });

  test("keeps a bounded number of bytes", () => {
    const outbox = new EventOutbox();
    for (let count = 0; count < 5000; count += 1) outbox.add(log("x".repeat(4000)), 1);
    const { length } = drain(outbox);
    assert.ok(length > 1000 && length < 2200, String(length));
  });

  test("makes a failure of a result that fits in no frame", () => {
    const outbox = new EventOutbox();
    outbox.add({ kind: "succeeded", result: { text: "x".repeat(FRAME_BYTES_MAX) } }, 1);
    const end = outbox.next()?.event;
    assert.ok(end?.kind === "failed" && end.error.code === "ERR_PROTOCOL");
  });

  test("has events that keep their schema, whatever texts there are", () => {
    const text = fc.string({ unit: "binary", maxLength: 9000 });
    fc.assert(
      fc.property(text, fc.uint8Array({ maxLength: 5000 }), (one, bytes) => {
        const error = { code: "ERR_FAILED", message: one, subject: one, remedy: undefined } as const;
        const warning = { code: "ERR_TARGET", path: Buffer.from(bytes), message: one };
        for (const event of [log(one), warningEvent(warning), failedEvent(error)]) runEvent.parse(event);
        assert.ok(
          bounded(one, 100).length <= 100 &&
            bounded(one, 100).isWellFormed() === (one.length > 100 || one.isWellFormed()),
        );
      }),
      { numRuns: 50 },
    );
  });
});
