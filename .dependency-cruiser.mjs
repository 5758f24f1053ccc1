// Which way imports point, checked by `npm run check`. A room is a folder below codemods/src.

/** Packages, lowest first: each may import itself and those before it. */
const packages = [
  "packages/core",
  "native",
  "packages/tensor",
  "packages/models",
  "packages/run",
  "examples",
];

/** Rooms of the codemods, lowest first. */
const rooms = [
  "failures",
  "text",
  "files",
  "candidates",
  "form",
  "helper",
  "flow",
  "languages",
  "project",
  "norms",
  "profiles",
  "match",
  "copies",
  "plan",
  "run",
  "emit",
  "collapse",
  "edits",
  "formats",
  "command",
];

/** Circles that are still there, by their files. Nothing may be added to this list. */
const knownCircles = [
  "packages/core/src/fallback.ts",
  "packages/core/src/plan.ts",
  "native/src/params.ts",
  "native/src/qk-norm.ts",
  "native/src/binding-ops.ts",
  "native/src/binding.ts",
];

const tests = "\\.test(-d)?\\.ts$";

const arrows = (folders, prefix) =>
  folders.map((folder, i) => ({
    name: `${folder}-imports-nothing-above-it`,
    severity: "error",
    from: { path: `^${prefix}${folder}/`, pathNot: tests },
    to: { path: folders.slice(i + 1).map((above) => `^${prefix}${above}/`) },
  }));

/** @type {import("dependency-cruiser").IConfiguration} */
export default {
  forbidden: [
    {
      name: "no-circle",
      comment: "An import for a type alone counts: what it says cannot be read without the other file.",
      severity: "error",
      from: { pathNot: knownCircles.map((path) => `^${path}$`) },
      to: { circular: true },
    },
    {
      name: "codemods-stands-alone",
      severity: "error",
      from: { path: "^codemods/src/" },
      to: { path: ["^packages/", "^native/", "^examples/", "^@qknorm/"] },
    },
    ...arrows(packages, "").slice(0, -1),
    ...arrows(rooms, "codemods/src/").slice(0, -1),
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    exclude: { path: ["/dist/", "^codemods/fixtures/"] },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    enhancedResolveOptions: {
      conditionNames: ["@qknorm/source", "import", "node", "default"],
      exportsFields: ["exports"],
    },
  },
};
