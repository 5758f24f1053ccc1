import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** A program that looks for the step, and how it counts what it found. */
export interface Competitor {
  readonly name: string;
  /** What it does, in the words of the README. */
  readonly does: string;
  readonly command: string;
  readonly args: (folder: string) => readonly string[];
  readonly found: (stdout: string) => number;
}

const here = dirname(fileURLToPath(import.meta.url));
const require = createRequire(import.meta.url);
const rule = `id: qk-norm
language: ts
rule: { any: [{ pattern: "this.qNorm.forward($X)" }, { pattern: "this.kNorm.forward($X)" }] }`;

const astGrep = {
  command: astGrepBinary(),
  found: (stdout: string) => stdout.split("\n").filter(Boolean).length,
};

export const competitors: readonly Competitor[] = [
  {
    name: "qknorm-codemod",
    does: "finds the steps, resolves the norms across files, plans the edits, parses the result; 1 process, 1 thread",
    command: process.execPath,
    args: (folder) => [join(here, "../dist/cli.js"), folder, "--json"],
    found: (stdout) => {
      const { summary } = JSON.parse(stdout) as { summary: { replaced: number; refused: number } };
      return summary.replaced + summary.refused;
    },
  },
  {
    ...astGrep,
    name: "ast-grep, 1 thread",
    does: "lists calls of the shape `this.qNorm.forward(x)` or `this.kNorm.forward(x)`",
    args: (folder) => ["scan", "--threads", "1", "--inline-rules", rule, "--json=stream", folder],
  },
  {
    ...astGrep,
    name: "ast-grep, all threads",
    does: "the same",
    args: (folder) => ["scan", "--inline-rules", rule, "--json=stream", folder],
  },
  {
    name: "jscodeshift",
    does: "lists the same calls; 1 process",
    command: process.execPath,
    args: (folder) => [
      require.resolve("jscodeshift/bin/jscodeshift.js"),
      "--transform",
      join(here, "jscodeshift-query.cjs"),
      "--extensions=ts",
      "--parser=ts",
      "--dry",
      "--run-in-band",
      folder,
    ],
    found: (stdout) => Number(/step: (\d+)/.exec(stdout)?.[1] ?? 0),
  },
];

/** The binary itself, without the script of the package that looks for it. */
function astGrepBinary(): string {
  const manifest = require.resolve("@ast-grep/cli/package.json");
  const { optionalDependencies } = require(manifest) as { optionalDependencies: Record<string, string> };
  const nearby = createRequire(manifest);
  for (const name of Object.keys(optionalDependencies)) {
    try {
      const folder = dirname(nearby.resolve(`${name}/package.json`));
      return join(folder, process.platform === "win32" ? "ast-grep.exe" : "ast-grep");
    } catch {
      // made for another platform
    }
  }
  throw new Error(`@ast-grep/cli has no binary for ${process.platform} ${process.arch}`);
}
