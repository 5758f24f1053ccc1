// Folders of models for the tests of --emit-helper, and what the command makes of them.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll } from "vitest";
import { runCommand } from "../src/command/command.ts";

/** A folder of the test file that asks, removed when it is done: `tree` gives one of these files below it. */
export function makeTrees(): { folder: string; tree(files: Readonly<Record<string, string>>): string } {
  const folder = mkdtempSync(join(tmpdir(), "emit-helper-")).replaceAll("\\", "/");
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  let trees = 0;
  const tree = (files: Readonly<Record<string, string>>): string => {
    const path = `${folder}/tree-${++trees}`;
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(path, name)), { recursive: true });
      writeFileSync(join(path, name), text);
    }
    return path;
  };
  return { folder, tree };
}

/** Every file under a folder, by its path there. */
export function contentsOf(path: string): Record<string, string> {
  const names = readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((name) => !name.includes(".qknorm-codemod"));
  return Object.fromEntries(
    names.sort().map((name) => [name.slice(path.length + 1), readFileSync(name, "utf8")]),
  );
}

export const emit = (path: string, helper: string, ...args: readonly string[]) =>
  runCommand([path, "--emit-helper", `${path}/${helper}`, ...args]);

export async function reasonsOf(
  path: string,
  helper: string,
): Promise<Record<string, (string | undefined)[]>> {
  const { stdout } = await emit(path, helper, "--json");
  const { files } = JSON.parse(stdout) as {
    files: { path: string; findings: { kind: string; reason?: string }[] }[];
  };
  return Object.fromEntries(
    files.map((file) => [
      file.path.slice(path.length + 1),
      file.findings.map(({ kind, reason }) => (kind === "replaced" ? "replaced" : reason)),
    ]),
  );
}

export const norms = `export class RmsNorm {
  constructor(weight, eps) { this.weight = weight; this.eps = eps; }
  forward(x) { return x.mul(rsqrt(x.square().mean() + this.eps)).mul(this.weight); }
}
`;

/** A model whose two sides are normalised by these expressions. */
export function model(
  q: string,
  k = q.replaceAll("q", "k"),
  imports = 'import { RmsNorm } from "./norms.js";',
): string {
  return `${imports}
export class Attention {
  constructor(config) {
    this.headDim = config.headDim;
    this.qNorm = new RmsNorm(ones(config.headDim));
    this.kNorm = new RmsNorm(ones(config.headDim));
  }
  forward(x) {
    let q = this.qProj(x);
    let k = this.kProj(x);
    q = ${q};
    k = ${k};
    return this.attend(q, k);
  }
}
`;
}

export const rows = "this.qNorm.forward(q.reshape([-1, this.headDim])).reshape(q.shape)";
