/**
 * Offsets: against the transitions that `Temporal` knows, where there is one, in every zone.
 */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { firstInstant, openTimeZone, type TimeZone, toLocal } from "../src/time-zone.ts";
import { at } from "./samples.ts";

interface ZonedDateTime {
  readonly epochMilliseconds: number;
  readonly offsetNanoseconds: number;
  getTimeZoneTransition(direction: "next"): ZonedDateTime | null;
}

interface Temporal {
  readonly Instant: {
    fromEpochMilliseconds(ms: number): { toZonedDateTimeISO(zone: string): ZonedDateTime };
  };
}

/** Not in the library types, and not in Node.js 24. */
const temporal: Temporal | undefined = Reflect.get(globalThis, "Temporal");

function open(name: string): TimeZone {
  const zone = openTimeZone(name);
  assert.ok(zone !== undefined, name);
  return zone;
}

suite("time zones", () => {
  test("every zone has the offsets of Temporal before and after each change until 2040", {
    skip: temporal === undefined,
  }, () => {
    assert.ok(temporal !== undefined);
    const end = at("2040-01-01T00:00Z");
    let changes = 0;
    for (const name of Intl.supportedValuesOf("timeZone")) {
      const zone = open(name);
      let here: ZonedDateTime | null = temporal.Instant.fromEpochMilliseconds(
        at("1972-06-01T00:00Z"),
      ).toZonedDateTimeISO(name);
      let days = new Set<number>();
      for (;;) {
        const next: ZonedDateTime | null = here.getTimeZoneTransition("next");
        if (next === null || next.epochMilliseconds > end) break;
        const instant: number = next.epochMilliseconds;
        assert.equal(
          toLocal(zone, instant) - instant,
          next.offsetNanoseconds / 1e6,
          `${name} after ${instant}`,
        );
        assert.equal(
          toLocal(zone, instant - 1) - instant + 1,
          here.offsetNanoseconds / 1e6,
          `${name} before ${instant}`,
        );
        const day = Math.floor(instant / 86_400_000);
        if (next.offsetNanoseconds !== here.offsetNanoseconds) {
          assert.ok(!days.has(day), `${name} changes twice in a day`);
          days = new Set([day]);
          changes += 1;
        }
        here = next;
      }
    }
    assert.ok(changes > 10_000, String(changes));
  });

  test("a local time comes first at one instant", () => {
    for (const [name, local, expected] of [
      ["Europe/Berlin", "2026-03-29T01:59Z", "2026-03-29T00:59Z"],
      ["Europe/Berlin", "2026-03-29T02:00Z", "2026-03-29T01:00Z"],
      ["Europe/Berlin", "2026-03-29T02:30Z", "2026-03-29T01:00Z"],
      ["Europe/Berlin", "2026-03-29T03:00Z", "2026-03-29T01:00Z"],
      ["Europe/Berlin", "2026-10-25T02:00Z", "2026-10-25T00:00Z"],
      ["Europe/Berlin", "2026-10-25T02:59Z", "2026-10-25T00:59Z"],
      ["Europe/Berlin", "2026-10-25T03:00Z", "2026-10-25T02:00Z"],
      ["Pacific/Apia", "2011-12-30T15:00Z", "2011-12-30T10:00Z"],
      ["Pacific/Kiritimati", "2026-01-01T00:00Z", "2025-12-31T10:00Z"],
      ["Etc/GMT+12", "2026-01-01T00:00Z", "2026-01-01T12:00Z"],
    ] as const) {
      assert.equal(firstInstant(open(name), at(local)), at(expected), `${name} ${local}`);
    }
  });

  test("what is no name of a zone is refused", () => {
    for (const name of [
      "",
      "Mars/Olympus",
      "+01:00",
      "../etc",
      "Europe/Berlin\0",
      "x".repeat(1e6),
      "Europe Berlin",
    ]) {
      assert.equal(openTimeZone(name), undefined);
    }
  });
});
