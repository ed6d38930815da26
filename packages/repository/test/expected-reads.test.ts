import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { AppError, isAppError } from "@holdfast/kernel";
import { type ByteRange, MemoryStorage } from "@holdfast/storage";
import { ExpectedReads } from "../src/reading/expected-reads.ts";

const MEBIBYTE = 1024 * 1024;
const NAME = "packs/a";

/** Writes down every request, and fails those that `damaged` says. */
class CountingStorage extends MemoryStorage {
  readonly asked: string[] = [];
  damaged: (range: ByteRange) => boolean = () => false;

  override async get(name: string, range?: ByteRange, signal?: AbortSignal): Promise<Buffer> {
    this.asked.push(range === undefined ? name : `${String(range.offset)}+${String(range.length)}`);
    if (range !== undefined && this.damaged(range)) throw new AppError("ERR_DAMAGED", "damaged");
    return super.get(name, range, signal);
  }
}

async function newStorage(length: number): Promise<{ storage: CountingStorage; content: Buffer }> {
  const storage = new CountingStorage();
  const content = Buffer.alloc(length);
  for (let index = 0; index < length; index += 1) content[index] = (index * 31 + (index >> 9)) & 0xff;
  await storage.put(NAME, content);
  return { storage, content };
}

suite("reads that were expected", () => {
  test("come from requests that began before, neighbours together", async () => {
    const { storage, content } = await newStorage(3 * MEBIBYTE);
    const reads = new ExpectedReads(storage, undefined);
    const parts = [
      { name: NAME, offset: 0, length: 100 },
      { name: NAME, offset: 100, length: 200_000 },
      { name: NAME, offset: 2 * MEBIBYTE, length: 300_000 },
    ];
    reads.expect(parts);
    assert.deepEqual(storage.asked, ["0+200100", "2097152+300000"]);
    for (const part of parts) {
      const into = Buffer.alloc(part.length);
      await reads.read(part, into);
      assert(into.equals(content.subarray(part.offset, part.offset + part.length)));
    }
    assert.equal(storage.asked.length, 2);
    // What was read is given back, so that it is asked for again.
    await reads.read({ name: NAME, offset: 0, length: 100 }, Buffer.alloc(100));
    assert.equal(storage.asked.at(-1), "0+100");
  });

  test("take no more memory than they may, and go on as it becomes free", async () => {
    const { storage } = await newStorage(1000);
    const reads = new ExpectedReads(storage, undefined);
    const large = 6 * MEBIBYTE;
    const parts = [0, 1, 2, 3].map((index) => ({ name: NAME, offset: index * 2 * large, length: large }));
    reads.expect(parts);
    assert.equal(storage.asked.length, 2);
    // It is not there, which is told; its room is the next one's.
    const first = parts[0] ?? assert.fail();
    await assert.rejects(reads.read(first, Buffer.alloc(large)), (error) => isAppError(error, "ERR_DAMAGED"));
    assert.equal(storage.asked.length, 3);
    // Nobody waits for room that others hold.
    const last = parts[3] ?? assert.fail();
    await assert.rejects(reads.read(last, Buffer.alloc(large)), (error) => isAppError(error, "ERR_DAMAGED"));
    assert.equal(storage.asked.length, 4);
  });

  test("are read alone when the neighbour that they were joined with is damaged", async () => {
    const { storage, content } = await newStorage(10_000);
    const reads = new ExpectedReads(storage, undefined);
    storage.damaged = ({ offset, length }) => offset <= 600 && offset + length > 600;
    reads.expect([
      { name: NAME, offset: 0, length: 500 },
      { name: NAME, offset: 500, length: 500 },
    ]);
    const into = Buffer.alloc(500);
    await reads.read({ name: NAME, offset: 0, length: 500 }, into);
    assert(into.equals(content.subarray(0, 500)));
    await assert.rejects(reads.read({ name: NAME, offset: 500, length: 500 }, into), (error) =>
      isAppError(error, "ERR_DAMAGED"),
    );
    assert.deepEqual(storage.asked, ["0+1000", "0+500", "500+500"]);
  });

  test("are forgotten when others are expected", async () => {
    const { storage, content } = await newStorage(10_000);
    const reads = new ExpectedReads(storage, undefined);
    reads.expect([{ name: NAME, offset: 0, length: 500 }]);
    reads.expect([{ name: NAME, offset: 5000, length: 500 }]);
    const into = Buffer.alloc(500);
    await reads.read({ name: NAME, offset: 0, length: 500 }, into);
    assert(into.equals(content.subarray(0, 500)));
    assert.deepEqual(storage.asked, ["0+500", "5000+500", "0+500"]);
  });
});
