/** Every parser of stored bytes: whatever the bytes are, it ends soon, with a named error, and takes little memory. */
import { suite, test } from "node:test";
import { fuzz, type FuzzedParser } from "./fuzzed-parser.ts";
import { objectParsers } from "./objects.ts";
import { indexParsers } from "./index-segments.ts";
import { packAndRecordParsers } from "./packs.ts";
import { treeParsers } from "./trees.ts";

const PARSERS: Record<string, readonly FuzzedParser[]> = {
  objects: objectParsers,
  "packs and records": packAndRecordParsers,
  "index segments": indexParsers,
  "pages, nodes and lists": treeParsers,
};

for (const [what, parsers] of Object.entries(PARSERS)) {
  suite(`fuzzing of ${what}`, () => {
    for (const parser of parsers) {
      test(parser.name, () => {
        fuzz(parser);
      });
    }
  });
}
