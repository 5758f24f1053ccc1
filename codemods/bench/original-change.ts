/**
 * The change that this tool was made to repeat, repeated. In the public history of sgl-project/sglang five models had their
 * copies of the QK norm replaced by one helper. This runs the tool on the models as they were before and compares:
 * each of the five must equal the merged file byte for byte, the look-alikes must be refused for the right reason, and
 * models without the step must not be mentioned.
 *
 *     npx tsx --conditions=@qknorm/source codemods/bench/original-change.ts PATH
 *
 * PATH is a checkout or a bare git directory whose history holds both commits: a clone of sgl-project/sglang or BBuf/sglang.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const parent = "474a4699c5460d58b26002b5a2f9f0284cace256";
const change = "8e43980ebbc324cf2c32a8d248fe0f54f95c339d";
const tree = "python/sglang";
const models = `${tree}/srt/models`;

/** What has to become of each model; every other one must stay as it is. */
const rewritten = ["bailing_moe", "glm4_moe", "llada2", "qwen3", "qwen3_moe"];
/** The same function in other words: it may be replaced, and says so. */
const allowed = ["apertus"];
const refused: Readonly<Record<string, readonly string[]>> = {
  qwen3_next: ["unit-offset-norm"],
  olmo2: ["norm-not-per-head"],
  olmoe: ["norm-not-per-head"],
  minimax_m2: ["norm-not-per-head"],
  commandr: ["layer-norm"],
  persimmon: ["layer-norm"],
  hunyuan: ["aliased-input"],
  gemma3_causal: ["unit-offset-norm", "third-norm"],
  gemma3n_causal: ["unit-offset-norm", "third-norm"],
};
const silent = [
  "falcon_h1",
  "deepseek_v2",
  "longcat_flash",
  "longcat_flash_nextn",
  "minicpm3",
  "mistral_large_3",
];

interface Report {
  readonly summary: { readonly files: number; readonly replaced: number; readonly refused: number };
  readonly files: readonly {
    readonly path: string;
    readonly findings: readonly { readonly line: number; readonly kind: string; readonly reason?: string }[];
  }[];
}

const [repository] = process.argv.slice(2);
if (repository === undefined) fail("give the path of a checkout or git directory of sglang");
const folder = mkdtempSync(join(tmpdir(), "original-change-"));
try {
  const problems = check(repository, folder);
  for (const problem of problems) process.stdout.write(`WRONG  ${problem}\n`);
  process.stdout.write(
    problems.length === 0 ? "The original change is repeated.\n" : `${problems.length} wrong\n`,
  );
  process.exitCode = problems.length === 0 ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function check(gitFolder: string, workFolder: string): readonly string[] {
  for (const commit of [parent, change]) extract(gitFolder, commit, join(workFolder, commit));
  const [before, merged, now] = [parent, change, "now"].map((name) => join(workFolder, name)) as [
    string,
    string,
    string,
  ];
  cpSync(before, now, { recursive: true });
  const start = performance.now();
  const report = runTool(join(now, models));
  const seconds = (performance.now() - start) / 1000;
  const { files, replaced, refused: kept } = report.summary;
  process.stdout.write(`${files} files in ${seconds.toFixed(1)} s: ${replaced} replaced, ${kept} refused\n`);
  const findings = byModel(report);
  for (const [model, kinds] of findings) process.stdout.write(`  ${model.padEnd(24)} ${kinds.join(", ")}\n`);
  const names = readdirSync(join(before, models)).filter((name) => name.endsWith(".py"));
  return names.flatMap((name) => {
    const [was, is, wanted] = [before, now, merged].map((root) => readFileSync(join(root, models, name)));
    const model = name.replace(/\.py$/, "");
    return judge(model, findings.get(model) ?? [], {
      isChanged: !is?.equals(was as Buffer),
      isMerged: is?.equals(wanted as Buffer) === true,
    });
  });
}

function judge(
  model: string,
  kinds: readonly string[],
  { isChanged, isMerged }: { readonly isChanged: boolean; readonly isMerged: boolean },
): readonly string[] {
  if (rewritten.includes(model)) return isMerged ? [] : [`${model} differs from the merged file`];
  if (isChanged && !allowed.includes(model)) return [`${model} was changed`];
  const reasons = refused[model];
  if (reasons !== undefined && !kinds.some((kind) => reasons.includes(kind))) {
    return [`${model} is not refused as ${reasons.join(" or ")}`];
  }
  return silent.includes(model) && kinds.length > 0 ? [`${model} has no QK norm, and is listed`] : [];
}

function extract(gitFolder: string, commit: string, target: string): void {
  const archive = execFileSync("git", ["-C", gitFolder, "archive", `--prefix=${commit}/`, commit, tree], {
    maxBuffer: 1 << 30,
  });
  execFileSync("tar", ["x", "-C", join(target, "..")], { input: archive });
}

function runTool(path: string): Report {
  const cli = fileURLToPath(new URL("../src/cli.ts", import.meta.url));
  const args = [path, "--profile", "sglang", "--write", "--assume-helper", "--allow-dirty", "--json"];
  const run = spawnSync(process.execPath, [...process.execArgv, cli, ...args], {
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
  if (run.status !== 0) fail(`the tool ended with ${run.status}: ${run.stderr}`);
  return JSON.parse(run.stdout) as Report;
}

/** The kinds of finding of each model: "replaced", or the reason of a refusal. */
function byModel(report: Report): ReadonlyMap<string, readonly string[]> {
  const entries = report.files
    .filter(({ findings }) => findings.length > 0)
    .map(({ path, findings }): [string, string[]] => {
      const model = path.replace(/^.*\//, "").replace(/\.py$/, "");
      return [model, findings.map(({ kind, reason }) => reason ?? kind)];
    });
  return new Map(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function fail(message: string): never {
  process.stderr.write(`original-change: ${message}\n`);
  process.exit(2);
}
