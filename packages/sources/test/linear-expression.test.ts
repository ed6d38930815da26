/** Patterns that would keep the regular expressions of the language busy for years, and those that both must see alike. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import picomatch from "picomatch";
import { parseGlob, PICOMATCH_OPTIONS } from "../src/selection/glob-pattern.ts";
import { linearMatcherOf, matcherOf } from "../src/selection/linear-expression.ts";

const PIECES = [
  "a",
  "b",
  ".",
  "/",
  "*",
  "**",
  "?",
  "[ab]",
  "[^a]",
  "{a,b}",
  "{a,b/*}",
  "\\*",
  "\n",
  "é",
  "{1..3}",
  "-",
];
const CHARACTERS = ["a", "b", ".", "/", "*", "\n", "é", "1", "-", "A"];

/** What an expression is made of, apart from what picomatch makes today. */
const SINGLES = ["a", "b", ".", "[ab]", "[^a]", "\\.", "\\d", "(?:a|b1)", "(a|)", "(?:(?!\\.)a|b)"];
const REPETITIONS = ["", "", "*", "+", "?", "{2}", "{1,}", "{2,}", "{1,2}", "{0,2}", "*?", "+?"];
const PLACES = ["", "", "", "^", "(?=a)", "(?!b)", "(?!a{2})", "(?=[^b]b|a)", "$"];

suite("A pattern", () => {
  test("means the same to both engines", () => {
    const glob = fc
      .array(fc.constantFrom(...PIECES), { minLength: 1, maxLength: 8 })
      .map((all) => all.join(""));
    const subject = fc.array(fc.constantFrom(...CHARACTERS), { maxLength: 8 }).map((all) => all.join(""));
    const seen = { true: 0, false: 0 };
    fc.assert(
      fc.property(glob, fc.array(subject, { minLength: 20, maxLength: 20 }), (pattern, subjects) => {
        const expression = picomatch.makeRe(pattern, PICOMATCH_OPTIONS);
        const isMatch = linearMatcherOf(expression);
        for (const text of subjects) {
          const expected = expression.test(text);
          seen[`${expected}`] += 1;
          assert.equal(isMatch(text), expected, `${String(expression)} of ${JSON.stringify(text)}`);
        }
      }),
      { numRuns: 5000 },
    );
    assert(seen.true > 1000 && seen.false > 1000, JSON.stringify(seen));
  });

  test("may be of every construct that is read", () => {
    const piece = fc
      .tuple(fc.constantFrom(...PLACES), fc.constantFrom(...SINGLES), fc.constantFrom(...REPETITIONS))
      .map((parts) => parts.join(""));
    const branch = fc.array(piece, { minLength: 1, maxLength: 4 }).map((all) => all.join(""));
    const source = fc.tuple(branch, branch, fc.constantFrom("", "$"));
    const subject = fc.array(fc.constantFrom(...CHARACTERS), { maxLength: 6 }).map((all) => all.join(""));
    const seen = { true: 0, false: 0 };
    fc.assert(
      fc.property(
        source,
        fc.array(subject, { minLength: 20, maxLength: 20 }),
        ([one, other, end], subjects) => {
          const expression = new RegExp(`^(?:${one}|${other})${end}`, "s");
          const isMatch = linearMatcherOf(expression);
          for (const text of subjects) {
            const expected = expression.test(text);
            seen[`${expected}`] += 1;
            assert.equal(isMatch(text), expected, `${String(expression)} of ${JSON.stringify(text)}`);
          }
        },
      ),
      { numRuns: 2000 },
    );
    assert(seen.true > 1000 && seen.false > 1000, JSON.stringify(seen));
  });

  test("is refused with other constructs, which would mean something else", () => {
    for (const expression of [
      /^a/,
      /^a/is,
      /^a/gs,
      /^a/su,
      /a/s,
      /a|^b/s,
      /^a|b/s,
      /^(a)\1/s,
      /^(?<=a)b/s,
      /^(?<!a)b/s,
      /^(?<name>a)/s,
      /^\ba/s,
      /^\x61/s,
      /^(?=a*b)a/s,
      /^(?!.+b)a/s,
    ])
      assert.throws(() => linearMatcherOf(expression), /not known|cannot be read/u, String(expression));
  });

  test("has an end for every name", () => {
    const name = "a".repeat(255);
    const path = Array.from({ length: 40 }, () => "a".repeat(100)).join("/");
    for (const [glob, subject, isMatch] of [
      [`${"*a".repeat(30)}b`, name, false],
      [`${"*a".repeat(30)}*`, name, true],
      [`/${"**/a*/".repeat(30)}b`, path, false],
      [`/${"**/*a*/".repeat(20)}*`, path, true],
      [`${"{a,a}".repeat(40)}*b`, name, false],
      [`${"{a*,a*a}".repeat(40)}b`, name, false],
    ] as const) {
      assert.equal(parseGlob(glob).test(subject, false), isMatch, glob);
    }
  });

  test("has an end with many things that may be there or not", () => {
    const matches = matcherOf(new RegExp(`^${"a?".repeat(40)}${"a".repeat(20)}[bc]$`, "s"));
    assert(matches(`${"a".repeat(50)}b`));
    assert(!matches("a".repeat(50)));
  });

  test("says with a backslash that a character is itself, whatever it is", () => {
    for (const character of ["d", "b", "w", "S", "1", "0", "n", "*", "?", "[", "{", "\\"]) {
      const { test: matches } = parseGlob(`x\\${character}`);
      assert(matches(`x${character}`, false), character);
      for (const other of ["5", " ", "\n", "x"]) assert(!matches(`x${other}`, false), character);
    }
    assert(parseGlob("[\\d]").test("d", false));
    assert(!parseGlob("[\\d]").test("5", false));
  });
});
