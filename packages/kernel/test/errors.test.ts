import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { suite, test } from "node:test";
import { AppError, damaged, errorCode, fromErrorRecord, isAppError, toErrorRecord } from "../src/index.ts";

suite("an error of the product", () => {
  test("is known by its class and, when one is asked for, by its code", () => {
    const error = new AppError("ERR_STORAGE_FULL", "It is full.");
    assert(isAppError(error));
    assert(isAppError(error, "ERR_STORAGE_FULL"));
    assert(!isAppError(error, "ERR_STORAGE_DENIED"));
    assert(!isAppError(Object.assign(new Error("It is full."), { code: "ERR_STORAGE_FULL" })));
  });

  test("can be tried again when its code says so", () => {
    assert(new AppError("ERR_STORAGE_FULL", "").retryable);
    assert(!new AppError("ERR_STORAGE_DENIED", "").retryable);
  });

  for (const context of [{ subject: "packs/ab", remedy: "Make room." }, {}]) {
    test(`is the same after it was plain data, with ${Object.keys(context).join(", ") || "nothing besides"}`, () => {
      const record = toErrorRecord(new AppError("ERR_STORAGE_FULL", "It is full.", context));
      assert.deepEqual(toErrorRecord(fromErrorRecord(structuredClone(record))), record);
    });
  }

  test("is made of what somebody else threw", () => {
    assert.deepEqual(toErrorRecord(new TypeError("x is undefined")), {
      code: "ERR_FAILED",
      message: "x is undefined",
      subject: undefined,
      remedy: undefined,
    });
    assert.equal(toErrorRecord("text").message, "text");
  });
});

suite("damage", () => {
  test("names the thing, the reason and the way to what it touches", () => {
    const { code, message, subject, remedy } = damaged("The object config", "it is too short");
    assert.deepEqual(
      [code, message, subject],
      ["ERR_DAMAGED", "The object config is damaged: it is too short.", "The object config"],
    );
    assert.match(remedy ?? "", /`holdfast verify`/);
  });

  test("takes another subject, remedy and cause", () => {
    const cause = new Error("below");
    const error = damaged("The object config", "it is too short", {
      subject: "config",
      remedy: "Wait.",
      cause,
    });
    assert.deepEqual([error.subject, error.remedy, error.cause], ["config", "Wait.", cause]);
  });
});

suite("the code of an error", () => {
  test("is the system's name of what happened", () => {
    try {
      readFileSync("/nowhere/at/all");
    } catch (error) {
      assert.equal(errorCode(error), "ENOENT");
      return;
    }
    assert.fail("the file is there");
  });

  for (const [what, thrown] of [
    ["an error without one", new Error("no code")],
    ["an error with a number", Object.assign(new Error("a number"), { code: 4 })],
    ["what is no error", { code: "ENOENT" }],
  ] as const) {
    test(`is missing in ${what}`, () => {
      assert.equal(errorCode(thrown), undefined);
    });
  }
});
