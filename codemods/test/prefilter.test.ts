import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { writeGeneratedRepo } from "../bench/generated-repo.ts";
import { findCandidates, mayHoldStep } from "../src/candidates/candidates.ts";
import { builtInProfiles } from "../src/profiles/profile.ts";
import { run } from "../src/run/run.ts";

const hidden: Readonly<Record<string, string>> = {
  "renamed.js": `class A { forward(x) {
    const { qNorm: a, kNorm: b } = this;
    let q = this.qProj.forward(x);
    let k = this.kProj.forward(x);
    q = a.forward(q);
    k = b.forward(k);
    return [q, k];
  } }`,
  "temporary.js": `export function f(query, key, eps) {
    const [a, b] = [query, key];
    const c = rmsNorm(a, eps);
    return [c, rmsNorm(b, eps)];
  }`,
  "key.ts": "export const find = (key: string) => table.get(normalize(key));",
  "query.ts": "export const find = (query: string) => search(normalizeSpace(query));",
  "elsewhere.js":
    'import { prepare } from "./renamed.js";\nexport const f = (q, k) => [prepare(q), prepare(k)];',
  "broken.ts": "export const normal = (;",
  "comment.ts": "/* `q = this.qNorm.forward(q)` */ export {};",
  "torch.py": `class A(nn.Module):
    def forward(self, x):
        q, k = self.q_proj(x), self.k_proj(x)
        norm_q, norm_k = self.q_norm, self.k_norm
        return norm_q(q), norm_k(k)
`,
};

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "qknorm-prefilter-"));
  writeGeneratedRepo(folder, { files: 60, linesPerFile: 40, copies: 20 });
  for (const [name, code] of Object.entries(hidden)) writeFileSync(join(folder, name), code);
});
afterAll(() => rmSync(folder, { recursive: true }));

it("the prefilter passes over nothing that would be found", async () => {
  const options = { paths: [folder], profiles: builtInProfiles, assumeHelper: true };
  const { ms: _, ...quick } = await run({ ...options, prefilter: true });
  const { ms: __, ...thorough } = await run({ ...options, prefilter: false });
  expect(quick).toEqual(thorough);
  const paths = quick.files.map(({ path }) => path.slice(folder.length + 1));
  expect(paths).toEqual(expect.arrayContaining(["renamed.js", "torch.py"]));
});

describe("a text of 4 MB, the largest that is read, is gone through in a moment", () => {
  const size = 4_000_000;
  const fill = (piece: string) => piece.repeat(size / piece.length);
  const numbered = Array.from({ length: 200_000 }, (_, i) => `qNorm${i}.forward(q);`).join("");
  it.each([
    ["one long name", fill("qNorm")],
    ["names of one line", fill("qNorm.forward(q);")],
    ["different names of one line", numbered],
    ["calls that never close", fill("norm(q")],
    ["comments that never close", `qNorm\n${fill("/*\n")}`],
    ["imports that never close", `qNorm ${fill("import {applyQkNorm ")}`],
    ["calls of the helper", `import {applyQkNorm} from "@qknorm/core";\n${fill("applyQkNorm(q);\n")}`],
    ["white space", `qNorm\n${fill(" ")}`],
    ["capitals", `qNorm ${fill("Q")}`],
    ["words that alternate", `norm ${fill("q_")}norm`],
  ])("%s", (_, text) => {
    const started = performance.now();
    mayHoldStep(text);
    findCandidates(text, "typescript");
    expect(performance.now() - started).toBeLessThan(20_000);
  });
});
