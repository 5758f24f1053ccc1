/**
 * What the tool says of repositories that never heard of it, one line each: nothing is written.
 *
 *     npx tsx --conditions=@qknorm/source codemods/bench/repositories.ts PATH...
 *
 * A PATH is a checkout, or a folder that a wheel was unpacked in. TypeScript and JavaScript are judged by the profile `qknorm`, Python by a
 * profile that takes any norm; `own helper` is what would be replaced with `--emit-helper`.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { anyNorm } from "./any-norm.ts";

interface Report {
  readonly summary: { readonly files: number };
  readonly files: readonly {
    readonly path: string;
    readonly findings: readonly { readonly kind: string; readonly reason?: string }[];
  }[];
}

const script = /\.[cm]?[jt]sx?$/;
const python = /\.py$/;
const folder = mkdtempSync(join(tmpdir(), "repositories-"));
try {
  const config = join(folder, "qknorm-codemod.json");
  writeFileSync(config, JSON.stringify(anyNorm));
  process.stdout.write(
    "| repository | version | files | replaced | own helper | refused |\n|---|---|---:|---:|---:|---|\n",
  );
  for (const path of process.argv.slice(2)) process.stdout.write(`${rowOf(path, config)}\n`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function rowOf(path: string, config: string): string {
  const reports = [
    {
      ...reportOf(path, ["--profile", "qknorm"], script),
      helper: ["--emit-helper", join(path, "qk-norm.ts")],
    },
    {
      ...reportOf(path, ["--config", config], python),
      helper: ["--config", config, "--emit-helper", join(path, "qk_norm.py")],
    },
  ];
  const findings = reports.flatMap((report) => report.findings);
  const counts = new Map<string, number>();
  for (const { kind, reason } of findings) {
    const name = kind === "replaced" ? kind : (reason ?? kind);
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  const withOwn = reports.reduce((sum, { findings: own, helper, language }) => {
    const emitted = own.length === 0 ? [] : reportOf(path, helper, language).findings;
    return sum + emitted.filter(({ kind }) => kind === "replaced").length;
  }, 0);
  const refused = [...counts].filter(([name]) => name !== "replaced").sort(([, a], [, b]) => b - a);
  const list = refused.map(([name, count]) => `${count} ${name}`).join(", ") || "none";
  const { name, version } = versionOf(path);
  return `| ${name} | ${version} | ${reports[0]!.files} | ${counts.get("replaced") ?? 0} | ${withOwn} | ${list} |`;
}

function reportOf(path: string, options: readonly string[], language: RegExp) {
  const cli = fileURLToPath(new URL("../src/cli.ts", import.meta.url));
  const args = [...process.execArgv, cli, path, ...options, "--assume-helper", "--json"];
  const { stdout } = spawnSync(process.execPath, args, { encoding: "utf8", maxBuffer: 1 << 28 });
  const { summary, files } = JSON.parse(stdout) as Report;
  const own = files.filter((file) => language.test(file.path));
  return { files: summary.files, findings: own.flatMap(({ findings }) => findings), language };
}

/** The commit of a checkout, the version of a wheel. */
function versionOf(path: string): { readonly name: string; readonly version: string } {
  const wheel = readdirSync(path).flatMap((one) => /^(.+)-([^-]+)\.dist-info$/.exec(one) ?? []);
  if (wheel.length > 0) return { name: wheel[1]!, version: wheel[2]! };
  return { name: basename(path), version: commitOf(path) };
}

function commitOf(path: string): string {
  const { stdout } = spawnSync("git", ["-C", path, "rev-parse", "--short=10", "HEAD"], { encoding: "utf8" });
  return stdout.trim() || "-";
}
