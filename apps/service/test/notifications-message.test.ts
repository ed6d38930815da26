/** What messages say: names are only names, and there is a way to the task. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { newId } from "@holdfast/kernel";
import { htmlOf, type Message, plainTextOf, titleOf } from "../src/notifications/message.ts";

suite("a message", () => {
  const message = (name: string): Message => ({
    id: newId("note"),
    kind: "backup.failed",
    at: Date.UTC(2026, 0, 5),
    details: { plan: { id: newId("plan"), name }, task: newId("task") },
    publicUrl: "https://backup.example",
  });

  test("has names as names", () => {
    const name = `a\r\nBcc: x@y.example\u2028\u202e<b>"'&`;
    assert.equal(titleOf(message(name)), `Backup failed: a Bcc: x@y.example <b>"'&`);
    assert(!/\r|[\u2028\u202e]/u.test(plainTextOf(message(name))));
    const html = htmlOf(message(name));
    assert(html.includes("&lt;b&gt;&quot;&#39;&amp;") && !html.includes("<b>"));
  });

  test("has a title that ends, and a link to the task", () => {
    const long = message("x".repeat(5000));
    assert.equal(titleOf(long).length, 200);
    assert(plainTextOf(long).includes(`https://backup.example/tasks/${long.details.task ?? ""}`));
    assert(!plainTextOf({ ...long, publicUrl: null }).includes("https:"));
  });
});
