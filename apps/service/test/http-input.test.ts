import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { checkInput } from "../src/http/input.ts";
import { InputError } from "../src/http/problems.ts";

const SCHEMA = z.object({
  name: z.string().min(2).max(4),
  limit: z.number().min(1).max(200),
  speed: z.number().positive(),
  whole: z.int(),
  on: z.boolean(),
  list: z.array(z.string()).max(2),
  role: z.enum(["viewer", "operator", "administrator"]),
  form: z.union([z.object({ a: z.string() }), z.object({ b: z.string() })]),
  own: z.string().regex(/^a/u, "begins with another letter"),
});

/** What is said of one field that is not as it should be. */
function said(change: Readonly<Record<string, unknown>>): readonly string[] {
  const good = {
    name: "abc",
    limit: 1,
    speed: 1,
    whole: 1,
    on: true,
    list: [],
    role: "viewer",
    form: { a: "" },
    own: "a",
  };
  try {
    checkInput(SCHEMA, { ...good, ...change }, "body");
  } catch (error) {
    assert(error instanceof InputError);
    return error.problems.map(({ path, message }) => `${path} ${message}`);
  }
  return [];
}

test("what is wrong with a request is said in words", () => {
  assert.deepEqual(said({}), []);
  for (const [change, expected] of [
    [{ name: undefined }, "body.name is missing"],
    [{ role: undefined }, "body.role is missing"],
    [{ name: 5 }, "body.name has to be a text"],
    [{ name: "a" }, "body.name has to be at least 2 characters"],
    [{ name: "abcde" }, "body.name has to be at most 4 characters"],
    [{ limit: 999 }, "body.limit has to be at most 200"],
    [{ speed: 0 }, "body.speed has to be more than 0"],
    [{ whole: 1.5 }, "body.whole has to be a whole number"],
    [{ on: "yes" }, "body.on has to be true or false"],
    [{ list: {} }, "body.list has to be a list"],
    [{ list: ["", "", ""] }, "body.list has to be at most 2 entries"],
    [{ role: "king" }, 'body.role has to be "viewer", "operator" or "administrator"'],
    [{ form: undefined }, "body.form is missing"],
    [{ form: { c: 1 } }, "body.form has none of the forms that it may have"],
    [{ own: "b" }, "body.own begins with another letter"],
    [{ rolle: "viewer" }, "body.rolle is not known"],
  ] as const)
    assert.deepEqual(said(change), [expected]);
});
