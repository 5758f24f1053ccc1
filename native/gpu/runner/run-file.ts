// Runs one test file in a process of its own, and tells its parent of each test.
import { pathToFileURL } from "node:url";
import { type File, startTests, type Task, type Test, type VitestRunner } from "@vitest/runner";

/** What the parent hears. */
export interface TestOutcome {
  readonly name: string;
  readonly state: "pass" | "fail" | "skip";
  readonly milliseconds: number;
  readonly errors: readonly string[];
}

/** The test that is about to run: the one to blame if the process dies. */
export interface TestStart {
  readonly starting: string;
}

const runner: VitestRunner = {
  config: {
    root: "/",
    setupFiles: [],
    name: undefined,
    passWithNoTests: false,
    testNamePattern: process.argv[3] === undefined ? undefined : new RegExp(process.argv[3]),
    allowOnly: false,
    sequence: { seed: 0, hooks: "stack", setupFiles: "list" },
    chaiConfig: undefined,
    maxConcurrency: 1,
    testTimeout: 120_000,
    hookTimeout: 60_000,
    retry: 0,
    includeTaskLocation: false,
    tags: [],
    tagsFilter: undefined,
    strictTags: false,
  },
  importFile: (path) => import(pathToFileURL(path).href),
  onBeforeRunTask: (test) => tell({ starting: nameOf(test) }),
  onAfterRunTask: (test) => report(test),
  onAfterRunFiles: (files) => files.forEach(reportRest),
};

// Nobody hears of the tests that are left.
process.once("disconnect", () => process.exit(1));
await startTests([process.argv[2] as string], runner);
// The addon keeps threads and a context; nothing is left to do for them.
process.removeAllListeners("disconnect");
process.disconnect?.();
process.exit(0);

/** What never ran: skipped tests, and a file or a hook that failed outside of any test. */
function reportRest(task: Task): void {
  if (task.type === "test") {
    if (task.mode === "skip" || task.mode === "todo") report(task);
    return;
  }
  if (task.result?.errors?.length) report(task);
  for (const child of task.tasks) reportRest(child);
}

function report(task: Test | Task | File): void {
  const { state, duration = 0, errors = [] } = task.result ?? {};
  tell({
    name: nameOf(task),
    state: state === "pass" ? "pass" : state === "fail" ? "fail" : "skip",
    milliseconds: duration,
    errors: errors.map(({ message, stack, diff, cause }) =>
      [message, diff, cause && `because: ${cause.message}`, stack].filter(Boolean).join("\n"),
    ),
  });
}

function nameOf(task: Task): string {
  const parent = task.suite === undefined ? "" : `${nameOf(task.suite)} > `;
  return `${parent}${task.name}`;
}

function tell(message: TestOutcome | TestStart): void {
  process.send?.(message);
}
