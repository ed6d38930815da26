import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { createJsonOutput } from "../src/output/json-output.ts";
import { createTextOutput } from "../src/output/text-output.ts";

/** Keeps what is written to it. */
class Sink {
  readonly isTTY: boolean;
  readonly columns: number;
  text = "";

  constructor(isTTY = false, columns = 40) {
    this.isTTY = isTTY;
    this.columns = columns;
  }

  write(text: string): void {
    this.text += text;
  }

  take(): string {
    const { text } = this;
    this.text = "";
    return text;
  }
}

const CLEAR = "\r\u001B[K";

suite("Output for people", () => {
  const setUp = (isTTY: boolean) => {
    const time = { ms: 0 };
    const [result, notes] = [new Sink(isTTY), new Sink(isTTY)];
    return { time, result, notes, output: createTextOutput({ result, notes }, () => time.ms) };
  };

  test("draws the progress line at most ten times a second, and never wider than the terminal", () => {
    const { time, notes, output } = setUp(true);
    for (time.ms = 0; time.ms < 1000; time.ms += 10) {
      output.progress({ bytes: time.ms * 1e6, bytesTotal: 1e12, files: 1_000_000, filesTotal: 2_000_000 });
    }
    const drawn = notes.take().split(CLEAR).slice(1);
    assert.equal(drawn.length, 10);
    for (const line of drawn) assert(line.length > 10 && line.length < 40, line);
    output.warning({ message: "something happened" });
    assert.equal(notes.take(), `${CLEAR}holdfast: warning: something happened\n`);
    output.finish();
    assert.equal(notes.take(), "");
  });

  test("draws the line also where the terminal does not know its width", () => {
    const notes = new Sink(true, 0);
    const output = createTextOutput({ result: new Sink(true, 0), notes }, () => 0);
    output.progress({ bytes: 5e6, bytesTotal: 1e7 });
    assert.match(notes.take(), /50 %/u);
  });

  test("writes a line of progress now and then where there is no terminal", () => {
    const { time, notes, output } = setUp(false);
    for (time.ms = 0; time.ms <= 65_000; time.ms += 500) output.progress({ bytes: time.ms });
    const lines = notes.take().trimEnd().split("\n");
    assert.equal(lines.length, 2);
    assert(!lines.join("").includes("\u001B"));
  });

  test("keeps results and errors apart, each error on one line", () => {
    const { result, notes, output } = setUp(false);
    output.text("a result");
    output.event("element", { of: "JSON" });
    const error = {
      code: "ERR_FAILED",
      message: "It\nfailed.",
      subject: undefined,
      remedy: "Try \u001B[2J again.",
    } as const;
    output.error(error, ["one", "two"]);
    output.finish();
    assert.equal(result.take(), "a result\n");
    assert.equal(
      notes.take(),
      "holdfast: It\\x0Afailed. Try \\x1B[2J again.\n  because: one\n  because: two\n",
    );
  });
});

suite("Output for programs", () => {
  test("is one object a line, with progress twice a second", () => {
    const time = { ms: 0 };
    const sink = new Sink();
    const output = createJsonOutput(sink, () => time.ms);
    for (; time.ms <= 1000; time.ms += 100) output.progress({ bytes: time.ms * 10, bytesTotal: 20_000 });
    output.text("for people");
    output.warning({ message: "careful", code: "ERR_SOURCE_CHANGED", path: Buffer.from("a\xff", "latin1") });
    output.event("element", { value: "line\nbreak" });
    output.summary({ count: 1 });
    output.finish();
    const objects = sink
      .take()
      .trimEnd()
      .split("\n")
      .map((line): unknown => JSON.parse(line));
    assert.deepEqual(objects, [
      { event: "progress", bytes: 0, bytesTotal: 20_000, bytesPerSecond: 0 },
      { event: "progress", bytes: 5000, bytesTotal: 20_000, bytesPerSecond: 10_000, secondsLeft: 2 },
      { event: "progress", bytes: 10_000, bytesTotal: 20_000, bytesPerSecond: 10_000, secondsLeft: 1 },
      {
        event: "warning",
        code: "ERR_SOURCE_CHANGED",
        message: "careful",
        path: "a\u{fffd}",
        pathBase64: "Yf8=",
      },
      { event: "element", value: "line\nbreak" },
      { event: "summary", count: 1 },
    ]);
  });
});
