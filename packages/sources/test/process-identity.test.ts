import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import process from "node:process";
import { suite, test } from "node:test";
import { endedProcesses, ownProcess } from "../src/posix/process-identity.ts";

suite("Another process", { skip: process.platform === "linux" ? false : "only Linux tells" }, () => {
  const own = { ...ownProcess(), host: "web1/0123456789abcdef" };
  const hasEnded = endedProcesses(own);
  const [boot = "", namespace = ""] = own.bootId.split("/");

  test("runs while its number and start time are there", () => {
    assert.equal(hasEnded(own), false);
  });

  test("has ended when its number is gone, or belongs to a process that started at another time", () => {
    const { pid } = spawnSync("true");
    assert.equal(hasEnded({ ...own, processId: pid }), true);
    assert.equal(hasEnded({ ...own, startTime: "1" }), true);
  });

  test("has ended when the machine was started again", () => {
    assert.equal(hasEnded({ ...own, bootId: `other/${namespace}` }), true);
  });

  test("may run when it is one of another machine, or of another container", () => {
    const gone = { ...own, startTime: "1" };
    assert.equal(hasEnded({ ...gone, host: "web2/0123456789abcdef" }), false);
    assert.equal(hasEnded({ ...gone, host: "web1/fedcba9876543210" }), false);
    assert.equal(hasEnded({ ...gone, bootId: `${boot}/pid:[1]` }), false);
    assert.equal(hasEnded({ ...gone, bootId: "" }), false);
  });

  test("may run on another machine of the same name where none of them has an id", () => {
    const anonymous = endedProcesses({ ...own, host: "web1" });
    assert.equal(anonymous({ ...own, host: "web1", bootId: `other/${namespace}` }), false);
    assert.equal(anonymous({ ...own, host: "web1", startTime: "1" }), true);
  });

  test("is not asked for by a number that is none", () => {
    for (const processId of [0, -1, 1.5]) assert.equal(hasEnded({ ...own, processId }), false);
  });
});
