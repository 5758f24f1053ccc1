/**
 * What becomes of every class of transformers that applies a norm of q or k, with a helper that the tool writes itself. Nothing is written to
 * the sources; the result goes to results/transformers.json and the README's table.
 *
 *     npx tsx --conditions=@qknorm/source codemods/bench/transformers.ts PATH
 *
 * PATH is the folder that transformers' wheel was unpacked in. The classes are counted from the text of the modeling files, not by the tool.
 * Where such a file is generated, its class is judged by the function that the tool names as its source, which other classes may share.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { anyNorm } from "./any-norm.ts";
import { type ClassOutcome, type TransformersResults, writeTransformersTable } from "./transformers-table.ts";

interface Finding {
  readonly kind: "replaced" | "refused";
  readonly reason?: string;
  readonly symbol: string;
  readonly writtenIn?: { readonly path: string; readonly symbol?: string };
}

interface Report {
  readonly summary: { readonly files: number };
  readonly files: readonly { readonly path: string; readonly findings: readonly Finding[] }[];
}

const [unpacked] = process.argv.slice(2);
if (unpacked === undefined) {
  process.stderr.write("give the folder that transformers' wheel was unpacked in\n");
  process.exit(2);
}
const report = runTool(join(unpacked, "transformers"));
const found = new Map(report.files.map(({ path, findings }) => [path, findings]));
const classes = classesWithNorms(join(unpacked, "transformers", "models")).map(outcomeOf);
const isReplaced = ({ kind }: Finding) => kind === "replaced";
const edited = [...found].filter(([, findings]) => findings.some(isReplaced));
const results: TransformersResults = {
  version: versionOf(unpacked),
  files: report.summary.files,
  edited: {
    files: edited.length,
    copies: edited.flatMap(([, findings]) => findings).filter(isReplaced).length,
  },
  generatedEdited: edited.filter(([path]) => isGenerated(path)).length,
  classes,
};
const target = new URL("results/transformers.json", import.meta.url);
writeFileSync(target, `${JSON.stringify(results, undefined, 2)}\n`);
writeTransformersTable();

/** Every class whose code calls a norm of q or k, by the text alone; those of a compressed q are another thing. */
function classesWithNorms(folder: string): readonly { readonly path: string; readonly name: string }[] {
  const norm = /\bself\.(?:(?:q|k|qk|query|key)_(?!a_)(?:\w+_)?(?:layer_?)?norm|norm_[qk])\(/;
  const paths = readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((path) => /(?:^|\/)modeling_\w+\.py$/.test(path))
    .sort();
  return paths.flatMap((path) =>
    readFileSync(join(folder, path), "utf8")
      .split(/^(?=class )/m)
      .filter((text) => text.startsWith("class ") && norm.test(text))
      .map((text) => ({ path: join(folder, path), name: /^class (\w+)/.exec(text)![1]! })),
  );
}

function outcomeOf({ path, name }: { readonly path: string; readonly name: string }): ClassOutcome {
  const isOf = (owner: string) => (one: Finding) => one.symbol.split(".")[0] === owner;
  const own = (found.get(path) ?? []).filter(isOf(name));
  const [first] = own;
  const model = basename(path).replace(/^modeling_|\.py$/g, "");
  if (first === undefined) return { model, class: name, outcome: "not found" };
  const { writtenIn } = first;
  if (writtenIn === undefined) return { model, class: name, outcome: outcomeIn(own) };
  const home = writtenIn.symbol?.split(".")[0];
  const there = home === undefined ? [] : (found.get(writtenIn.path) ?? []).filter(isOf(home));
  const place = `${basename(writtenIn.path)} ${writtenIn.symbol ?? ""}`.trim();
  return { model, class: name, outcome: outcomeIn(there), writtenIn: place };
}

/** One reason for a class: what can be replaced counts, and of several reasons the first. */
function outcomeIn(findings: readonly Finding[]): string {
  const all = findings.map(({ kind, reason }) => (kind === "replaced" ? kind : (reason ?? kind)));
  return all.find((one) => one === "replaced") ?? all[0] ?? "not found";
}

function isGenerated(path: string): boolean {
  return readFileSync(path, "utf8").slice(0, 1000).includes("automatically generated");
}

function versionOf(folder: string): string {
  const name = readdirSync(folder).find((one) => /^transformers-.*\.dist-info$/.test(one));
  return name === undefined ? "?" : name.replace(/^transformers-|\.dist-info$/g, "");
}

function runTool(path: string): Report {
  const folder = mkdtempSync(join(tmpdir(), "transformers-"));
  try {
    const config = join(folder, "qknorm-codemod.json");
    writeFileSync(config, JSON.stringify(anyNorm));
    const cli = fileURLToPath(new URL("../src/cli.ts", import.meta.url));
    const args = [cli, path, "--config", config, "--emit-helper", join(path, "qk_norm.py"), "--json"];
    const { stdout } = spawnSync(process.execPath, [...process.execArgv, ...args], {
      encoding: "utf8",
      maxBuffer: 1 << 28,
    });
    return JSON.parse(stdout) as Report;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
