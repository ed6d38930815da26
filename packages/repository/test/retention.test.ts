/** Which copies a policy keeps: the rules by example, and what must hold for any copies and any policy. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import {
  applyRetention,
  isEmptyPolicy,
  type RetainedCopy,
  type RetentionPolicy,
} from "../src/retention/retention.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

function copyAt(iso: string, group = "g"): RetainedCopy {
  return { id: `${group} ${iso}`, timeMs: Date.parse(`${iso}Z`), group };
}

function keptOf(copies: readonly RetainedCopy[], policy: RetentionPolicy): string[] {
  return applyRetention(copies, policy).keep.map(({ copy }) => copy.id);
}

const copiesArbitrary: fc.Arbitrary<RetainedCopy[]> = fc.uniqueArray(
  fc.record({
    id: fc.stringMatching(/^[0-9a-f]{8}$/),
    timeMs: fc.integer({ min: Date.UTC(2020, 0, 1), max: Date.UTC(2023, 0, 1) }),
    group: fc.constantFrom("a", "b", "c"),
  }),
  { selector: ({ id }) => id, maxLength: 60 },
);

const count = fc.integer({ min: 0, max: 8 });
const policyArbitrary: fc.Arbitrary<RetentionPolicy> = fc.record(
  { last: count, hourly: count, daily: count, weekly: count, monthly: count, yearly: count },
  { requiredKeys: [] },
);

suite("retention by example", () => {
  test("an empty policy keeps everything, also one of zeros", () => {
    const copies = [copyAt("2026-01-01T00:00:00"), copyAt("2026-01-02T00:00:00")];
    for (const policy of [{}, { last: 0, daily: 0 }]) {
      assert(isEmptyPolicy(policy));
      assert.deepEqual(applyRetention(copies, policy).forget, []);
    }
  });

  test("last counts copies, daily counts days that have one and keeps the newest of each", () => {
    const copies = [
      "2026-03-01T08:00:00",
      "2026-03-01T20:00:00",
      "2026-03-04T09:00:00",
      "2026-03-04T10:00:00",
    ].map((iso) => copyAt(iso));
    assert.deepEqual(keptOf(copies, { last: 2 }), ["g 2026-03-04T10:00:00", "g 2026-03-04T09:00:00"]);
    assert.deepEqual(keptOf(copies, { daily: 2 }), ["g 2026-03-04T10:00:00", "g 2026-03-01T20:00:00"]);
  });

  test("weeks are those of ISO 8601, across the turn of the year", () => {
    // Friday 2027-01-01 is in week 53 of 2026, Monday 2027-01-04 in week 1 of 2027.
    const copies = ["2026-12-28T12:00:00", "2027-01-01T12:00:00", "2027-01-04T12:00:00"].map((iso) =>
      copyAt(iso),
    );
    assert.deepEqual(keptOf(copies, { weekly: 2 }), ["g 2027-01-04T12:00:00", "g 2027-01-01T12:00:00"]);
    assert.deepEqual(keptOf(copies, { yearly: 2 }), ["g 2027-01-04T12:00:00", "g 2026-12-28T12:00:00"]);
  });

  test("groups are counted apart, and reasons name the rules", () => {
    const copies = [copyAt("2026-03-01T08:00:00", "a"), copyAt("2026-03-02T08:00:00", "b")];
    const { keep } = applyRetention(copies, { last: 1, monthly: 1 });
    assert.deepEqual(
      keep.map(({ copy, reasons }) => [copy.group, reasons]),
      [
        ["b", ["last", "monthly"]],
        ["a", ["last", "monthly"]],
      ],
    );
  });

  test("a rule that is satisfied within one period does not reach into older ones", () => {
    const copies = Array.from({ length: 30 }, (_, day) => ({
      id: String(day),
      timeMs: Date.UTC(2026, 4, 1) + day * DAY_MS,
      group: "g",
    }));
    assert.deepEqual(keptOf(copies, { monthly: 5 }), ["29"]);
    assert.equal(keptOf(copies, { hourly: 7 }).length, 7);
  });
});

suite("retention of any copies", () => {
  test("keeps or forgets each copy exactly once, the kept ones newest first within a group", () => {
    fc.assert(
      fc.property(copiesArbitrary, policyArbitrary, (copies, policy) => {
        const { keep, forget } = applyRetention(copies, policy);
        const all = [...keep.map(({ copy }) => copy), ...forget].map(({ id }) => id);
        assert.deepEqual(all.toSorted(), copies.map(({ id }) => id).toSorted());
        for (const group of ["a", "b", "c"]) {
          const times = keep.filter(({ copy }) => copy.group === group).map(({ copy }) => copy.timeMs);
          assert.deepEqual(
            times,
            times.toSorted((one, other) => other - one),
          );
        }
      }),
    );
  });

  test("does not depend on the order in which copies are given", () => {
    fc.assert(
      fc.property(copiesArbitrary, policyArbitrary, (copies, policy) => {
        const forward = keptOf(copies, policy).toSorted();
        assert.deepEqual(keptOf(copies.toReversed(), policy).toSorted(), forward);
      }),
    );
  });

  test("keeps the newest copy of every group when any rule keeps one", () => {
    fc.assert(
      fc.property(copiesArbitrary, policyArbitrary, (copies, policy) => {
        const kept = new Set(keptOf(copies, policy));
        for (const group of new Set(copies.map((copy) => copy.group))) {
          const own = copies.filter((copy) => copy.group === group);
          const newest = Math.max(...own.map(({ timeMs }) => timeMs));
          assert(own.some(({ id, timeMs }) => timeMs === newest && kept.has(id)));
        }
      }),
    );
  });

  test("forgets nothing more when a number grows", () => {
    fc.assert(
      fc.property(
        copiesArbitrary,
        policyArbitrary,
        fc.constantFrom<keyof RetentionPolicy>("last", "hourly", "daily", "weekly", "monthly", "yearly"),
        (copies, policy, rule) => {
          fc.pre(!isEmptyPolicy(policy));
          const more = new Set(keptOf(copies, { ...policy, [rule]: (policy[rule] ?? 0) + 1 }));
          for (const id of keptOf(copies, policy)) assert(more.has(id));
        },
      ),
    );
  });

  test("gives the same answer when it is applied to what it kept", () => {
    fc.assert(
      fc.property(copiesArbitrary, policyArbitrary, (copies, policy) => {
        const kept = applyRetention(copies, policy).keep.map(({ copy }) => copy);
        assert.deepEqual(applyRetention(kept, policy).forget, []);
      }),
    );
  });

  test("keeps at most as many copies of a group as all rules together ask for", () => {
    fc.assert(
      fc.property(copiesArbitrary, policyArbitrary, (copies, policy) => {
        fc.pre(!isEmptyPolicy(policy));
        const most = Object.values(policy).reduce((sum, number) => sum + number, 0);
        const { keep } = applyRetention(copies, policy);
        for (const group of ["a", "b", "c"]) {
          assert(keep.filter(({ copy }) => copy.group === group).length <= most);
        }
      }),
    );
  });
});
