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
      from: {},
      to: { circular: true },
    },
    {
      name: "codemods-stands-alone",
      severity: "error",
      from: { path: "^codemods/src/" },
      to: { path: ["^packages/", "^native/", "^examples/", "^@qknorm/"] },
    },
    {
      name: "backends-know-no-tensor",
      comment: "A backend works on views; tensors, ops and checks stand in front of it.",
      severity: "error",
      from: { path: "^packages/tensor/src/backends/", pathNot: tests },
      to: { path: "^packages/tensor/src/(tensor|devices|open-device|tidy|transfer|index|ops/|qk-norm/)" },
    },
    {
      name: "native-behind-its-backend",
      comment: "What a browser loads reaches no addon; CUDA is loaded with the device that needs it.",
      severity: "error",
      from: {
        path: "^packages/tensor/src/",
        pathNot: [tests, "/backends/cpu/native/", "/backends/cuda/", "/src/cuda\\.ts$"],
      },
      to: { path: "^native/" },
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
