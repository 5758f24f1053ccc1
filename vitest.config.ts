import { defineConfig } from "vitest/config";

// The source condition makes every @qknorm package resolve to its TypeScript, so that no build comes before a test.
const conditions = ["@qknorm/source", "node", "import", "module", "default"];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: {
    include: [
      "packages/*/src/**/*.test.ts",
      "packages/*/test/**/*.test.ts",
      "native/{src,test,gpu}/**/*.test.ts",
      "codemods/{bench,src,test}/**/*.test.ts",
      "examples/*/{src,test}/**/*.test.ts",
      "scripts/*.test.mjs",
    ],
    setupFiles: ["./vitest.setup.ts"],
    typecheck: {
      enabled: true,
      include: ["packages/*/{src,test}/**/*.test-d.ts"],
      tsconfig: "./tsconfig.json",
    },
    // All cores: by itself vitest leaves one of two idle.
    maxWorkers: "100%",
    testTimeout: 60_000,
  },
});
