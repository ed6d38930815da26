const { readdirSync, readFileSync } = require("node:fs");
const { join } = require("node:path");

/** Layers, lowest first: a package may import only itself and packages of a lower row, in its tests as well. */
const LAYERS = [["kernel"], ["crypto", "storage", "protocol", "scheduling"], ["repository"], ["sources"]];
const rows = LAYERS.flatMap((names, row) =>
  names.map((name) => ({ name, below: LAYERS.slice(0, row).flat() })),
);

const folders = readdirSync(join(__dirname, "packages"));
const unknown = folders.filter((folder) => !LAYERS.flat().includes(folder));
if (unknown.length > 0) throw new Error(`No layer is given for packages/${unknown.join(", packages/")}.`);

/** The modules a package shows to others: what the `exports` of its manifest name. */
const publicModules = folders.flatMap((folder) => {
  const { exports } = JSON.parse(readFileSync(join(__dirname, "packages", folder, "package.json"), "utf8"));
  const targets = typeof exports === "string" ? [exports] : Object.values(exports);
  return targets.map((target) => `packages/${folder}/${target.replace(/^\.\//, "")}`.replaceAll(".", "\\."));
});

const TEST_SERVERS = "^packages/storage/test/servers/";

module.exports = {
  forbidden: [
    { name: "no-cycle", severity: "error", from: {}, to: { circular: true } },
    { name: "no-unresolved", severity: "error", from: {}, to: { couldNotResolve: true } },
    { name: "no-app-from-package", severity: "error", from: { path: "^packages/" }, to: { path: "^apps/" } },
    {
      name: "public-surface-only",
      severity: "error",
      from: { path: "^(?:packages|apps)/([^/]+)/" },
      to: { path: "^packages/", pathNot: ["^packages/$1/", ...publicModules.map((path) => `^${path}$`)] },
    },
    {
      name: "public-surface-only-outside",
      comment:
        "Only bench/ may reach inside a package: it measures parts that nobody else sees. Servers are for all tests.",
      severity: "error",
      from: { path: "^(?:test|tools)/" },
      to: { path: "^packages/", pathNot: [...publicModules.map((path) => `^${path}$`), TEST_SERVERS] },
    },
    {
      name: "packages-by-name",
      comment: "Another package is imported as @holdfast/NAME, never by a relative path.",
      severity: "error",
      from: { path: "^((?:packages|apps)/[^/]+|test|tools)/" },
      to: {
        path: "^packages/",
        pathNot: ["^$1/", TEST_SERVERS],
        dependencyTypes: ["local"],
        dependencyTypesNot: ["aliased-workspace"],
      },
    },
    {
      name: "no-test-from-source",
      severity: "error",
      from: { path: "/src/" },
      to: { path: "/test/|^test/" },
    },
    ...rows.map(({ name, below }) => ({
      name: `layer-${name}`,
      severity: "error",
      from: { path: `^packages/${name}/` },
      to: { path: "^packages/", pathNot: `^packages/(${[name, ...below].join("|")})/` },
    })),
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    exclude: { path: ["\\.as\\.ts$", "^\\.cache/", "^node_modules/", "/build/"] },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { exportsFields: ["exports"], conditionNames: ["import", "default"] },
  },
};
