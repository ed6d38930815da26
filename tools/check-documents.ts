/**
 * Checks that every relative link in the Markdown files leads to a file, and that `docs/README.md` lists every page.
 *
 * @module
 */
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

const PATTERNS = ["*.md", "docs/**/*.md", "{packages,apps,test,bench,tools}/**/*.md"];
const EXCLUDED = ["**/node_modules/**", "bench/results/**"];
const LINK = /\[[^\]]*\]\(([^)\s]+)\)/g;

function* brokenLinks(root: string, page: string): Generator<string> {
  for (const [, target = ""] of readFileSync(join(root, page), "utf8").matchAll(LINK)) {
    const path = decodeURIComponent(target.replace(/#.*$/, ""));
    if (path === "" || /^[a-z]+:/.test(path)) continue;
    if (!existsSync(join(root, dirname(page), path))) yield `${page}: there is no ${target}.`;
  }
}

function* unlistedPages(root: string): Generator<string> {
  const index = readFileSync(join(root, "docs/README.md"), "utf8");
  for (const page of globSync("*.md", { cwd: join(root, "docs") })) {
    if (page !== "README.md" && !index.includes(`](${page})`)) yield `docs/README.md does not list ${page}.`;
  }
}

const root = join(import.meta.dirname, "..");
const pages = globSync(PATTERNS, { cwd: root, exclude: EXCLUDED });
const problems = [...pages.flatMap((page) => [...brokenLinks(root, page)]), ...unlistedPages(root)];
for (const problem of problems) process.stderr.write(`${problem}\n`);
if (problems.length > 0) process.exitCode = 1;
else process.stdout.write(`Checked the links of ${String(pages.length)} pages.\n`);
