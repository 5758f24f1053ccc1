import { join } from "node:path";
import * as fc from "fast-check";
import { expect, it } from "vitest";
import { fuzzAsync, fuzzTimeout } from "../../packages/core/test/fuzz.ts";
import { ModelFolder, step } from "./model-folder.ts";

// Whatever the configuration or the arguments: a report, or exit code 2 and a sentence; and files are changed under --write alone.
const models = new ModelFolder();

async function expectReportOrSentence(args: readonly string[], input = ""): Promise<void> {
  await models.write("a.js", step);
  const { exitCode, stdout, stderr } = await models.run(args, { input });
  expect([0, 1, 2, 3], JSON.stringify(args)).toContain(exitCode);
  if (exitCode === 2) expect(stderr).not.toBe("");
  expect(stdout + stderr).not.toMatch(/\n\s+at .*:\d+:\d+/);
  if (!args.some((arg) => ["--write", "--interactive"].includes(arg))) {
    expect(await models.read("a.js")).toBe(step);
  }
}

const names = [
  ...[
    "$schema",
    "profile",
    "profiles",
    "own",
    "qknorm",
    "sglang",
    "extends",
    "helper",
    "name",
    "module",
    "norms",
  ],
  ...["requiredAttributes", "acceptsFunctions", "takesAltStream", "inPlace", "helperInRepository"],
  ...["__proto__", "constructor", "toString", ""],
];
const leaf = fc.oneof(
  fc.constantFrom<unknown>(
    ...names,
    "plain-rms",
    "unit-offset",
    "unknown",
    "#lib/heads",
    "f",
    "a.b",
    true,
    false,
    null,
  ),
  fc.constantFrom<unknown>(
    0,
    -1,
    1e308,
    "",
    "\u0000",
    "\ud800",
    "*/ import",
    "'; x(); '",
    "../../x",
    "x".repeat(2000),
  ),
  fc.string({ maxLength: 6, unit: "binary" }),
);
const { config } = fc.letrec<{ config: unknown; value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    leaf,
    tie("config"),
    fc.array(tie("value"), { maxLength: 3 }),
  ),
  config: fc.dictionary(fc.constantFrom(...names), tie("value"), { maxKeys: 5 }),
}));
/** What is right, with one part drawn: most random objects are refused by their first key. */
const nearlyRight = fc.record({
  profile: fc.constantFrom("own", "qknorm", "sglang"),
  profiles: fc.record({
    own: fc.record(
      {
        extends: fc.constantFrom("qknorm", "sglang"),
        helper: fc.oneof(config, fc.record({ name: leaf, module: leaf })),
        norms: fc.oneof(leaf, fc.array(fc.constantFrom("plain-rms", "unit-offset", "unknown"))),
        requiredAttributes: fc.oneof(leaf, fc.array(leaf, { maxLength: 2 })),
        acceptsFunctions: fc.oneof(fc.boolean(), leaf),
        takesAltStream: fc.oneof(fc.boolean(), leaf),
        inPlace: fc.oneof(fc.boolean(), leaf),
      },
      { requiredKeys: ["extends"] },
    ),
  }),
});
const text = fc.oneof(
  {
    arbitrary: fc.oneof(config, nearlyRight, fc.jsonValue()).map((value) => JSON.stringify(value) ?? ""),
    weight: 5,
  },
  { arbitrary: fc.string({ maxLength: 20, unit: "binary" }), weight: 1 },
);

it("any configuration gives a report, or a sentence and exit code 2", { timeout: fuzzTimeout }, async () => {
  await fuzzAsync("configuration of qknorm-codemod", 60, text, async (json) => {
    await models.write("qknorm-codemod.json", json);
    await expectReportOrSentence([]);
  });
});

const flag = fc.constantFrom(
  ...["--write", "--interactive", "--check", "--strict", "--mark", "--diff", "--json", "--sarif", "--github"],
  ...[
    "--stdin",
    "--no-prefilter",
    "--assume-helper",
    "--allow-dirty",
    "--collapse-classes",
    "--all",
    "--version",
  ],
  ...["--help", "-h", "--nothing", "--", "-"],
);
const option = fc.constantFrom(
  ...[
    "--stdin-filename",
    "--explain",
    "--since",
    "--profile",
    "--config",
    "--concurrency",
    "--include",
    "--exclude",
  ],
);
const word = fc.oneof(
  fc.constantFrom(
    ...[
      "0",
      "1",
      "-1",
      "1e9",
      "NaN",
      "a.js",
      "a.js:5",
      "HEAD",
      "-x",
      "qknorm",
      "sglang",
      "*",
      "**",
      "[",
      "!",
      "{a,",
    ],
    ...["", "\u0000", "\ud800", "../..", "x".repeat(5000), "--json", "__proto__", "(a*)*b"],
  ),
  fc.string({ maxLength: 8, unit: "binary" }),
);
/** Of options that write a file the file stands in the folder. */
const output = fc.constantFrom("--patch", "--html", "--emit-helper");

it("any arguments give a report, or a sentence and exit code 2", { timeout: fuzzTimeout }, async () => {
  const argument = fc.oneof(
    flag.map((name) => [name]),
    fc.tuple(option, word).map((pair) => pair as readonly string[]),
    output.map((name) => [name, "out"]),
  );
  const line = fc.tuple(
    fc.array(argument, { maxLength: 5 }).map((all) => all.flat()),
    word,
  );
  await fuzzAsync("arguments of qknorm-codemod", 40, line, async ([args, input]) => {
    const placed = args.map((arg) => (arg === "out" ? join(models.path, "out.txt") : arg));
    await expectReportOrSentence(placed, input);
  });
});
