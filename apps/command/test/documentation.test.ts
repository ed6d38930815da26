import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";
import { ERROR_CODES } from "@holdfast/kernel";
import { COMMANDS, COMMON_OPTIONS } from "../src/definitions.ts";
import { manualPage } from "../src/manual.ts";
import { newBench } from "./run-holdfast.ts";

const PAGE = readFileSync(join(import.meta.dirname, "../../../docs/command.md"), "utf8");
const SECTIONS = new Map(
  PAGE.split(/^## /mu)
    .slice(1)
    .map((section) => [section.slice(0, section.indexOf("\n")), section]),
);

/** The first column of the tables with options. */
function documentedOptions(section: string): readonly string[] {
  return [...section.matchAll(/^\| `(--[^`]+)` \|/gmu)].map(([, flags = ""]) => flags);
}

suite("docs/command.md", () => {
  test("describes every command, and no other", () => {
    assert.deepEqual(
      [...SECTIONS.keys()].filter((name) => name !== "Conventions"),
      COMMANDS.map(({ name }) => name),
    );
  });

  for (const { name, operands, options } of COMMANDS) {
    test(`has the operands and options of ${name}`, () => {
      const section = SECTIONS.get(name) ?? "";
      assert(section.includes(`\`holdfast ${[name, ...operands].join(" ")}\``));
      assert.deepEqual(
        documentedOptions(section),
        options.map(({ flags }) => flags),
      );
      for (const choice of options.flatMap(({ choices = [] }) => choices)) {
        assert(section.includes(`\`${choice}\``), choice);
      }
    });
  }

  test("has the options of every command and every exit code", () => {
    const conventions = SECTIONS.get("Conventions") ?? "";
    assert.deepEqual(documentedOptions(conventions), [...COMMON_OPTIONS.map(({ flags }) => flags), "--help"]);
    const codes = new Set(Object.values(ERROR_CODES).map(({ exit }) => exit));
    for (const code of [0, 3, ...codes]) assert(conventions.includes(`| ${String(code)} |`), String(code));
  });

  test("shows a configuration that can be read", async (context) => {
    const { run, path } = newBench(context);
    const [, text = ""] = /```json\n([^]*?)```/u.exec(PAGE) ?? [];
    writeFileSync(path("config.json"), text);
    const outcome = await run(["copies", "@nas", "--json"], {
      env: { HOLDFAST_CONFIG: path("config.json") },
    });
    assert.match(outcome.stdout, /"code":"ERR_(?:STORAGE_UNREACHABLE|REPOSITORY_MISSING)"/u);
  });
});

suite("docs/holdfast.1", () => {
  const page = readFileSync(join(import.meta.dirname, "../../../docs/holdfast.1"), "utf8");

  test("is what tools/make-manual.ts makes of the definitions", () => {
    assert.equal(page, manualPage());
  });

  test("names every exit code", () => {
    const codes = new Set(Object.values(ERROR_CODES).map(({ exit }) => exit));
    for (const code of [0, 3, ...codes]) assert(page.includes(`\n.B ${String(code)}\n`), String(code));
  });
});

suite("The help", () => {
  test("of each command shows its options", async (context) => {
    const { ok } = newBench(context);
    for (const { name, options } of COMMANDS.filter((command) =>
      ["forget", "key add"].includes(command.name),
    )) {
      const { stdout } = await ok([...name.split(" "), "--help"]);
      for (const { flags } of [...options, ...COMMON_OPTIONS]) {
        assert(stdout.includes(flags.replace(/ ([A-Z]+)$/u, " <$1>")), `${name} ${flags}`);
      }
    }
  });
});
