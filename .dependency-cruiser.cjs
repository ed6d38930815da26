// Layers, lowest first; a package may import only packages of a lower row.
const LAYERS = [["kernel"], ["crypto", "storage"], ["repository"], ["sources"]];
const rows = LAYERS.flatMap((names, row) =>
  names.map((name) => ({ name, below: LAYERS.slice(0, row).flat() })),
);
module.exports = {
  forbidden: [
    { name: "no-cycle", severity: "error", from: {}, to: { circular: true } },
    { name: "no-app-from-package", severity: "error", from: { path: "^packages/" }, to: { path: "^apps/" } },
    {
      name: "public-surface-only",
      severity: "error",
      from: { path: "^(packages|apps)/([^/]+)/" },
      to: { path: "^packages/[^/]+/src/(?!index\\.ts$)", pathNot: "^$1/$2/" },
    },
    ...rows.map(({ name, below }) => ({
      name: `layer-${name}`,
      severity: "error",
      from: { path: `^packages/${name}/src/` },
      to: { path: "^packages/", pathNot: `^packages/(${[name, ...below].join("|")})/` },
    })),
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    exclude: { path: "\\.as\\.ts$" },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { exportsFields: ["exports"], conditionNames: ["import", "default"] },
  },
};
