import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { AppError, isAppError } from "@holdfast/kernel";
import {
  ExpectedReads,
  type Fetch,
  type FetchAnswer,
  type FetchLine,
  type ObjectPart,
} from "../src/reading/expected-reads.ts";

const MEBIBYTE = 1024 * 1024;
const NAME = "packs/a";

/** One object, whose parts are sent when somebody waits; writes down what is asked for and given back. */
class Line implements FetchLine {
  readonly content: Buffer;
  readonly asked: string[] = [];
  readonly released: number[] = [];
  damaged: (part: ObjectPart) => boolean = () => false;
  readonly #pending: Fetch[] = [];

  constructor(length: number) {
    this.content = Buffer.alloc(length);
    for (let index = 0; index < length; index += 1) this.content[index] = (index * 31 + (index >> 9)) & 0xff;
  }

  send(request: Parameters<FetchLine["send"]>[0]): void {
    if ("release" in request) this.released.push(...request.release);
    if (!("fetch" in request)) return;
    this.#pending.push(...request.fetch);
    for (const { offset, length } of request.fetch) this.asked.push(`${String(offset)}+${String(length)}`);
  }

  receive(): FetchAnswer {
    const fetch = this.#pending.shift() ?? assert.fail("waits for ever");
    const { id, offset, length } = fetch;
    if (!this.damaged(fetch))
      return { id, bytes: Buffer.from(this.content.subarray(offset, offset + length)) };
    return { id, failure: { code: "ERR_DAMAGED", message: "damaged", subject: NAME, remedy: undefined } };
  }
}

function partAt(offset: number, length: number): ObjectPart {
  return { name: NAME, offset, length };
}

function checkRead(reads: ExpectedReads, line: Line, part: ObjectPart): void {
  assert(reads.read(part).equals(line.content.subarray(part.offset, part.offset + part.length)));
}

suite("reads that were expected", () => {
  test("come from requests that began before, neighbours together", () => {
    const line = new Line(3 * MEBIBYTE);
    const reads = new ExpectedReads(line);
    const parts = [partAt(0, 100), partAt(100, 200_000), partAt(2 * MEBIBYTE, 300_000)];
    reads.expect(parts);
    assert.deepEqual(line.asked, ["0+200100", "2097152+300000"]);
    for (const part of parts) checkRead(reads, line, part);
    assert.equal(line.asked.length, 2);
    assert.deepEqual(line.released, [0, 1]);
    // What was read is given back, so that it is asked for again.
    checkRead(reads, line, partAt(0, 100));
    assert.equal(line.asked.at(-1), "0+100");
  });

  test("may be expected for several tasks, and are then fetched once", () => {
    const line = new Line(10_000);
    const reads = new ExpectedReads(line);
    const first = reads.expect([partAt(0, 500), partAt(500, 500)]);
    const second = reads.expect([partAt(500, 500), partAt(5000, 500)]);
    assert.deepEqual(line.asked, ["0+1000", "5000+500"]);
    checkRead(reads, line, partAt(0, 500));
    // What the first task did not read is forgotten with it.
    first[Symbol.dispose]();
    assert.deepEqual(line.released, [0]);
    checkRead(reads, line, partAt(500, 500));
    checkRead(reads, line, partAt(5000, 500));
    second[Symbol.dispose]();
    assert.deepEqual(line.asked, ["0+1000", "5000+500", "500+500"]);
    assert.deepEqual(new Set(line.released), new Set([0, 1, 2]));
  });

  test("are read alone when the neighbour that they were joined with is damaged", () => {
    const line = new Line(10_000);
    const reads = new ExpectedReads(line);
    line.damaged = ({ offset, length }) => offset <= 600 && offset + length > 600;
    reads.expect([partAt(0, 500), partAt(500, 500)]);
    checkRead(reads, line, partAt(0, 500));
    assert.throws(
      () => reads.read(partAt(500, 500)),
      (error) => isAppError(error, "ERR_DAMAGED"),
    );
    assert.deepEqual(line.asked, ["0+1000", "0+500", "500+500"]);
    assert.deepEqual(line.released, [0, 1, 2]);
  });

  test("fail once when the whole storage does", () => {
    const line = new Line(10_000);
    line.receive = () => {
      throw new AppError("ERR_CANCELLED", "closed");
    };
    const reads = new ExpectedReads(line);
    reads.expect([partAt(0, 500)]);
    assert.throws(
      () => reads.read(partAt(0, 500)),
      (error) => isAppError(error, "ERR_CANCELLED"),
    );
  });
});
