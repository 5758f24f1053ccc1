// The tests as they are, each file with modules of its own: what a module does while it loads is then seen in every file that loads it.
import base from "../../vitest.config.ts";

const projects = base.test.projects.map((project) => ({
  ...project,
  extends: false,
  resolve: base.resolve,
  ssr: base.ssr,
  test: {
    ...base.test,
    ...project.test,
    projects: undefined,
    isolate: true,
    // Judged by what it finds, whatever else the machine does.
    testTimeout: 600_000,
    setupFiles: [...base.test.setupFiles, "./scripts/mutants/reached.mjs"],
  },
}));

export default { ...base, test: { ...base.test, projects } };
