import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { ByteReader, ByteWriter, isAppError } from "../src/index.ts";

function reader(bytes: Uint8Array): ByteReader {
  return new ByteReader(bytes, "The sample");
}

suite("byte writer and reader", () => {
  test("golden bytes", () => {
    const writer = new ByteWriter(1);
    writer
      .u8(1)
      .u16(2)
      .u32(3)
      .u64(4n)
      .i64(-5n)
      .varint(300)
      .raw(Buffer.from([6]))
      .blob(Buffer.from([7, 8]))
      .text("é");
    const hex = "01 0200 03000000 0400000000000000 fbffffffffffffff ac02 06 020708 02c3a9";
    assert.equal(writer.finish().toString("hex"), hex.replaceAll(" ", ""));
  });

  test("numbers come back", () => {
    fc.assert(
      fc.property(
        fc.maxSafeNat(),
        fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
        fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
        (number, unsigned, signed) => {
          const source = reader(new ByteWriter(0).varint(number).u64(unsigned).i64(signed).finish());
          assert.equal(source.varint(), number);
          assert.equal(source.u64(), unsigned);
          assert.equal(source.i64(), signed);
          source.end();
        },
      ),
    );
  });

  test("numbers out of range are refused", () => {
    for (const write of [
      () => new ByteWriter().u64(-1n),
      () => new ByteWriter().u64(2n ** 64n),
      () => new ByteWriter().i64(2n ** 63n),
      () => new ByteWriter().varint(-1),
      () => new ByteWriter().varint(2 ** 53),
      () => new ByteWriter().varint(0.5),
    ]) {
      assert.throws(write, assert.AssertionError);
    }
  });

  test("bytes and text come back, short or long, ASCII or not", () => {
    for (const length of [0, 1, 23, 24, 25, 127, 128, 300]) {
      for (const unit of ["a", "é", "😀"]) {
        const text = unit.repeat(length);
        const bytes = Buffer.alloc(length, 0x80);
        const source = reader(new ByteWriter(0).text(text).blob(bytes).raw(bytes).finish());
        assert.equal(source.text(2000), text);
        assert.deepEqual(source.blob(2000), bytes);
        assert.deepEqual(source.raw(length), bytes);
        source.end();
      }
    }
    assert.equal(
      reader(new ByteWriter().text(`${"a".repeat(20)}ü`).finish()).text(100),
      `${"a".repeat(20)}ü`,
    );
  });

  for (const [what, bytes, read] of [
    ["a varint above its maximum", "05", (source: ByteReader) => source.varint(4)],
    ["a varint that is longer than needed", "8500", (source: ByteReader) => source.varint()],
    ["a varint without end", "ffffffffffffffff", (source: ByteReader) => source.varint()],
    ["a blob that is cut", "0301", (source: ByteReader) => source.blob(10)],
    ["a blob above its maximum", "03010203", (source: ByteReader) => source.blob(2)],
    ["a text that is not UTF-8", "02c328", (source: ByteReader) => source.text(10)],
    ["half a surrogate as UTF-8", "03eda080", (source: ByteReader) => source.text(10)],
    ["bytes behind the end", "00", (source: ByteReader) => source.end()],
  ] as const) {
    test(`refuses ${what}`, () => {
      assert.throws(
        () => read(reader(Buffer.from(bytes, "hex"))),
        (error) => isAppError(error, "ERR_DAMAGED"),
      );
    });
  }
});
