// Tests of the packed packages, in empty projects; `npm run test:packed` packs them first.
import { defineConfig } from "vitest/config";
import { root } from "../setup.mjs";

export default defineConfig({
  root,
  test: {
    include: ["scripts/packed/*.test.mjs"],
    globalSetup: ["scripts/packed/projects.mjs"],
    testTimeout: 120_000,
    hookTimeout: 600_000,
    maxWorkers: "100%",
  },
});
