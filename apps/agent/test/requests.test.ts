/** What the agent asks, and the answers that come, come late, or never. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { type ErrorCode, isAppError } from "@holdfast/kernel";
import { Requests } from "../src/connection/requests.ts";

const REQUEST = { kind: "renew", certificateRequest: "" } as const;
const ANSWER = { kind: "renew", certificate: "x" } as const;

const hasCode =
  (code: ErrorCode) =>
  (error: unknown): boolean =>
    isAppError(error, code);

const never = (): AbortSignal => new AbortController().signal;
const sendNothing = (): void => undefined;

suite("A request", () => {
  test("gets the answer with its number", async () => {
    const requests = new Requests();
    const numbers: number[] = [];
    const ask = (): Promise<unknown> =>
      requests.ask(REQUEST, (id) => numbers.push(id), { signal: never(), timeout: never() });
    const [one, two] = [ask(), ask()];
    assert.deepEqual(numbers, [1, 2]);
    assert.ok(requests.take({ type: "answer", id: 2, answer: { ...ANSWER, certificate: "second" } }));
    assert.ok(requests.take({ type: "answer", id: 1, answer: { ...ANSWER, certificate: "first" } }));
    assert.deepEqual(await Promise.all([one, two]), [
      { ...ANSWER, certificate: "first" },
      { ...ANSWER, certificate: "second" },
    ]);
    assert.ok(!requests.take({ type: "answer", id: 3, answer: ANSWER }));
  });

  test("takes no answer to something else", async () => {
    const requests = new Requests();
    const asked = requests.ask(REQUEST, sendNothing, { signal: never(), timeout: never() });
    const lease = { kind: "lease", lease: "lease", until: 1, sealed: "" } as const;
    assert.ok(!requests.take({ type: "answer", id: 1, answer: lease }));
    requests.drop();
    await assert.rejects(asked, hasCode("ERR_SERVICE_UNREACHABLE"));
  });

  test("is refused with the service's own error", async () => {
    const requests = new Requests();
    const asked = requests.ask(REQUEST, sendNothing, { signal: never(), timeout: never() });
    const error = { code: "ERR_CAPABILITY", message: "No." } as const;
    assert.ok(requests.take({ type: "refusal", id: 1, error }));
    await assert.rejects(asked, hasCode("ERR_CAPABILITY"));
  });

  test("tells an answer that never comes from being cancelled, and bears one that comes late", async () => {
    const requests = new Requests();
    const [timeout, cancel] = [new AbortController(), new AbortController()];
    const late = requests.ask(REQUEST, sendNothing, { signal: never(), timeout: timeout.signal });
    const cancelled = requests.ask(REQUEST, sendNothing, { signal: cancel.signal, timeout: never() });
    timeout.abort();
    cancel.abort();
    await assert.rejects(late, hasCode("ERR_SERVICE_UNREACHABLE"));
    await assert.rejects(cancelled, hasCode("ERR_CANCELLED"));
    for (const id of [1, 2]) assert.ok(requests.take({ type: "answer", id, answer: ANSWER }));
  });

  test("that is given up before it leaves is not sent", async () => {
    const requests = new Requests();
    let sent = 0;
    const count = (): void => {
      sent += 1;
    };
    const asked = requests.ask(REQUEST, count, { signal: AbortSignal.abort(), timeout: never() });
    requests.drop();
    await assert.rejects(asked, hasCode("ERR_CANCELLED"));
    assert.equal(sent, 0);
  });
});
