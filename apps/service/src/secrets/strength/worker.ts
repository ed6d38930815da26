/**
 * The thread that estimates: dictionaries are 12 MB in memory and take a second to load, an unusual text takes another one.
 *
 * @module
 */
import { parentPort } from "node:worker_threads";
import { ZxcvbnFactory } from "@zxcvbn-ts/core";
import * as common from "@zxcvbn-ts/language-common";
import * as english from "@zxcvbn-ts/language-en";
import { ESTIMATED_CHARACTERS_MAX, type Estimate } from "./messages.ts";

/** Substitutions such as `@` for `a` that are tried; each doubles the work. */
const SUBSTITUTIONS_MAX = 32;

const estimator = new ZxcvbnFactory({
  dictionary: { ...common.dictionary, ...english.dictionary },
  graphs: common.adjacencyGraphs,
  translations: english.translations,
  maxLength: ESTIMATED_CHARACTERS_MAX,
  l33tMaxSubstitutions: SUBSTITUTIONS_MAX,
});

parentPort?.on("message", (bytes: Uint8Array) => {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
  bytes.fill(0);
  const { guessesLog10, score, feedback } = estimator.check(text);
  const estimate: Estimate = {
    guessesLog10,
    score,
    warning: feedback.warning ?? null,
    suggestions: feedback.suggestions,
  };
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
  parentPort?.postMessage(estimate);
});
