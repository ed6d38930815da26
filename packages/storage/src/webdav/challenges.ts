/**
 * The header WWW-Authenticate (RFC 9110 section 11.6.1): a list of challenges, each a scheme with either one opaque word or a
 * list of parameters, both lists separated by commas.
 *
 * @module
 */
const LENGTH_MAX = 8 * 1024;
const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const SEPARATORS = /[\s,]*/y;
const PARAMETER = new RegExp(
  `[\\s,]*(${TOKEN})[ \\t]*=[ \\t]*(?:"((?:[^"\\\\]|\\\\.)*)"|(${TOKEN}))(?=[ \\t]*(?:,|$))`,
  "y",
);
const SCHEME = new RegExp(`(${TOKEN})(?:[ \\t]+|(?=,)|$)`, "y");
const WORD = /[A-Za-z0-9._~+/-]+=*(?=[ \t]*(?:,|$))/y;

export interface Challenge {
  /** In lower case. */
  readonly scheme: string;
  /** By name in lower case; of a repeated one the first counts. */
  readonly parameters: ReadonlyMap<string, string>;
}

/** What cannot be understood ends the list; a server that sends it gets no credentials for it. */
export function parseChallenges(header = ""): readonly Challenge[] {
  if (header.length > LENGTH_MAX) return [];
  const text = new Cursor(header);
  const challenges: Challenge[] = [];
  for (;;) {
    text.take(SEPARATORS);
    const scheme = text.take(SCHEME)?.[1];
    if (scheme === undefined) return challenges;
    const parameters = readParameters(text);
    if (parameters.size === 0) text.take(WORD);
    challenges.push({ scheme: scheme.toLowerCase(), parameters });
  }
}

function readParameters(text: Cursor): ReadonlyMap<string, string> {
  const parameters = new Map<string, string>();
  for (;;) {
    const match = text.take(PARAMETER);
    if (match === null) return parameters;
    const [, name = "", quoted, plain = ""] = match;
    const key = name.toLowerCase();
    if (!parameters.has(key)) parameters.set(key, quoted?.replaceAll(/\\(.)/g, "$1") ?? plain);
  }
}

class Cursor {
  readonly #text: string;
  #position = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** @param pattern is sticky. */
  take(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#position;
    const match = pattern.exec(this.#text);
    if (match !== null) this.#position = pattern.lastIndex;
    return match;
  }
}
