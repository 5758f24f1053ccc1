import { defineConfig } from "vitest/config";

// The source condition makes every @qknorm package resolve to its TypeScript, so that no build comes before a test.
const conditions = ["@qknorm/source", "node", "import", "module", "default"];

// Files whose modules may be loaded once for all of them: a third of their time is loading.
const together = ["codemods/{bench,src,test}/**/*.test.ts", "packages/models/{src,test}/**/*.test.ts"];
// These stand in for a module of Node's, which must be loaded for them alone, or for a driver, which others must not find.
const alone = ["codemods/src/edits/write-files.test.ts", "packages/models/test/device-*.test.ts"];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: {
    setupFiles: ["./vitest.setup.ts"],
    globalSetup: ["./vitest.temporary.ts"],
    testTimeout: 60_000,
    // By itself vitest leaves one core idle. Types (*.test-d.ts) are checked with all others, by tsc.
    maxWorkers: "100%",
    projects: [
      { extends: true, test: { name: "together", isolate: false, include: together, exclude: alone } },
      {
        extends: true,
        test: {
          name: "apart",
          include: [
            "packages/!(models)/{src,test}/**/*.test.ts",
            "native/{src,test,gpu}/**/*.test.ts",
            "examples/*/{src,test}/**/*.test.ts",
            "scripts/*.test.mjs",
            ...alone,
          ],
          exclude: ["**/node_modules/**"],
        },
      },
    ],
  },
});
