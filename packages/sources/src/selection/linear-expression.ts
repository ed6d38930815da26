/**
 * Runs a regular expression in a time that grows with its length times that of the subject, where the one of the language may try
 * more ways than a machine has years: patterns come from plans and searches, and names from whoever makes files.
 *
 * It takes what picomatch makes of patterns: no references to groups, nothing looked behind, and a few characters ahead. Each state is looked at once at each
 * place (the bit-state search of RE2).
 *
 * @module
 */

type Instruction =
  | { readonly op: "take"; readonly accepts: (character: string) => boolean }
  /** Goes on at each of these, counted from here. */
  | { readonly op: "either"; readonly targets: readonly number[] }
  | { readonly op: "look"; readonly ahead: RegExp }
  | { readonly op: "start" }
  | { readonly op: "end" }
  | { readonly op: "done" };

type Program = readonly Instruction[];

/** Ways that the engine of the language may try, until this one takes its place. */
const WAYS_MAX = 1e6;

/** @throws Error for an expression with other constructs. */
export function matcherOf(expression: RegExp): (subject: string) => boolean {
  const { program, stars, alternatives } = compile(expression);
  return (subject) =>
    alternatives * combinations(subject.length, stars) <= WAYS_MAX
      ? expression.test(subject)
      : matches(program, subject);
}

/** For tests: never the engine of the language. */
export function linearMatcherOf(expression: RegExp): (subject: string) => boolean {
  const { program } = compile(expression);
  return (subject) => matches(program, subject);
}

/** In how many ways so many repetitions share the characters. */
function combinations(length: number, stars: number): number {
  let ways = 1;
  for (let star = 1; star <= stars && ways <= WAYS_MAX; star += 1) ways = (ways * (length + star)) / star;
  return ways;
}

function matches(program: Program, subject: string): boolean {
  const width = subject.length + 1;
  const seen = new Uint8Array(program.length * width);
  const waiting: number[] = [];
  const visit = (state: number, at: number): void => {
    const key = state * width + at;
    if (seen[key] === 1) return;
    seen[key] = 1;
    waiting.push(key);
  };
  visit(0, 0);
  for (let key = waiting.pop(); key !== undefined; key = waiting.pop()) {
    const state = Math.floor(key / width);
    const at = key % width;
    const step = program[state];
    if (step === undefined || step.op === "done") return true;
    if (step.op === "either") for (const target of step.targets) visit(state + target, at);
    else if (step.op === "take") {
      if (at < subject.length && step.accepts(subject.charAt(at))) visit(state + 1, at + 1);
    } else if (holds(step, subject, at)) visit(state + 1, at);
  }
  return false;
}

function holds(step: Exclude<Instruction, { op: "take" | "either" }>, subject: string, at: number): boolean {
  if (step.op === "start") return at === 0;
  if (step.op === "end") return at === subject.length;
  if (step.op === "done") return true;
  step.ahead.lastIndex = at;
  return step.ahead.test(subject);
}

interface Compiled {
  readonly program: Program;
  /** Repetitions without an end. */
  readonly stars: number;
  /** Of all groups together. */
  readonly alternatives: number;
}

function compile({ source, flags }: RegExp): Compiled {
  // Others mean another `.`, or another start.
  if (flags !== "s") throw new Error(`the flags ${flags} are not known`);
  const reader = new Reader(source);
  // Alternatives outside of a group would have starts of their own.
  const program = reader.sequence();
  if (!reader.isAtEnd || !source.startsWith("^")) throw reader.unknown();
  return { program: [...program, { op: "done" }], stars: reader.stars, alternatives: reader.ways };
}

class Reader {
  readonly #source: string;
  #at = 0;
  stars = 0;
  ways = 1;

  constructor(source: string) {
    this.#source = source;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#source.length;
  }

  unknown(): Error {
    return new Error(`it cannot be read from "${this.#source.slice(this.#at, this.#at + 10)}" on`);
  }

  alternatives(): Program {
    const branches = [this.sequence()];
    while (this.#takes("|")) branches.push(this.sequence());
    this.ways *= branches.length;
    return choice(branches);
  }

  sequence(): Program {
    const pieces: Program[] = [];
    while (!this.isAtEnd && !/[)|]/u.test(this.#next())) pieces.push(this.#repeated());
    return pieces.flat();
  }

  #repeated(): Program {
    const one = this.#single();
    const counted = /^(?:([*+?])|\{(\d+)(,?)(\d*)\})\??/u.exec(this.#source.slice(this.#at));
    if (counted === null) return one;
    const [text, sign, least = "0", comma, most = ""] = counted;
    this.#at += text.length;
    if (sign === "*" || sign === "+") return this.#endless(one, sign === "+" ? 1 : 0);
    if (sign === "?") return this.#times(one, 0, 1);
    if (comma === "," && most === "") return this.#endless(one, Number(least));
    return this.#times(one, Number(least), comma === "" ? Number(least) : Number(most));
  }

  #endless(one: Program, least: number): Program {
    this.stars += 1;
    const loop: Program = [
      { op: "either", targets: [1, one.length + 2] },
      ...one,
      { op: "either", targets: [-one.length - 1] },
    ];
    return [...Array.from({ length: least }, () => one).flat(), ...loop];
  }

  #times(one: Program, least: number, most: number): Program {
    this.ways *= most - least + 1;
    const maybe = choice([one, []]);
    return Array.from({ length: most }, (_, index) => (index < least ? one : maybe)).flat();
  }

  #single(): Program {
    if (this.#takes("(?:")) return this.#group();
    if (/^\(\?[=!]/u.test(this.#source.slice(this.#at))) return [this.#look()];
    if (/^\((?!\?)/u.test(this.#source.slice(this.#at))) {
      this.#at += 1;
      return this.#group();
    }
    if (this.#takes("^")) return [{ op: "start" }];
    if (this.#takes("$")) return [{ op: "end" }];
    if (this.#takes(".")) return [{ op: "take", accepts: () => true }];
    const text =
      /^(?:\[\^?(?:\\.|[^\]\\])*\]|\\[^a-zA-Z0-9]|\\[dDwWsSnr]|\\u202[89]|[^\\*+?{}()|[\]])/su.exec(
        this.#source.slice(this.#at),
      )?.[0];
    if (text === undefined) throw this.unknown();
    this.#at += text.length;
    if (text.length === 1) return [{ op: "take", accepts: (character) => character === text }];
    const one = new RegExp(`^${text}$`, "s");
    return [{ op: "take", accepts: (character) => one.test(character) }];
  }

  #group(): Program {
    const inside = this.alternatives();
    if (!this.#takes(")")) throw this.unknown();
    return inside;
  }

  /** As it is: without repetitions it is soon done. */
  #look(): Instruction {
    const { stars, ways } = this;
    const from = this.#at;
    this.#at += "(?=".length;
    this.#group();
    if (this.stars > stars) throw this.unknown();
    this.ways = ways;
    return { op: "look", ahead: new RegExp(this.#source.slice(from, this.#at), "sy") };
  }

  #next(): string {
    return this.#source.charAt(this.#at);
  }

  #takes(text: string): boolean {
    if (!this.#source.startsWith(text, this.#at)) return false;
    this.#at += text.length;
    return true;
  }
}

function choice(branches: readonly Program[]): Program {
  const [only] = branches;
  if (only !== undefined && branches.length === 1) return only;
  const targets: number[] = [];
  // With the jump behind each of them.
  let end = 1;
  for (const branch of branches) {
    targets.push(end);
    end += branch.length + 1;
  }
  const program: Instruction[] = [{ op: "either", targets }];
  for (const branch of branches) {
    for (const step of branch) program.push(step);
    program.push({ op: "either", targets: [end - program.length] });
  }
  return program;
}
