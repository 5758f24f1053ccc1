import { readdir, readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import type { Language } from "../files/source-files.ts";
import { findCandidates } from "./candidates.ts";

/** A word for q in a comment, so that a single line passes for a file with attention in it. */
function candidatesIn(code: string, language: Language = "typescript") {
  const found = findCandidates(`${code}\nproject(xq);\n`, language);
  return found.map(({ line, role }) => ({ line, role }));
}

const step = { line: 1, role: "step" };
const setup = { line: 1, role: "setup" };

describe("a line that may apply a QK norm is a step", () => {
  it.each([
    "q = this.qNorm.forward(q);",
    "k = this.kNorm!.forward(k) as Tensor;",
    "q = this.qNorm?.forward(q) ?? q;",
    "q = await this.#qNorm.forward(q);",
    "q = disposing(q, this.qNorm.forward(q));",
    "using nq = this.qNorm.forward(q);",
    "q = w.qNorm ? mul(rmsNorm(q, eps), w.qNorm) : q;",
    "q = plain ? q : w.qNorm;",
    "q = (own ? qNorm : shared).forward(q);",
    "q = (own ? w.qNorm : shared).forward(q);",
    "q = this.qNorm.forward(q); this.kNorm = undefined;",
    "const a = applyHeadNorm(this.queryNorm, q);",
    "const b = applyNormPerHead(q, heads, headDim, gamma, eps);",
    "const qNorm = this.norm.forward(q);",
    "const c = norm<Tensor>(key);",
    "y = w.qNorm.forward(w.q.forward(y).reshape(shape)).transpose(axes);",
    "class FluxQkNorm {",
    "private applyQKNorm(q: Tensor, k: Tensor): [Tensor, Tensor] {",
    "[q, k] = this.attnNorms.normalize(q, k);",
    "if (this.useQkNorm) q = this.qNorm.forward(q);",
  ])("%s", (code) => {
    expect(candidatesIn(code)).toEqual([step]);
  });

  it.each([
    "def _apply_qk_norm(self, q, k):",
    "    q = self.q_norm(q.contiguous().view(-1, self.head_dim)).view_as(q)",
    "    q_by_head = self.query_layernorm(q_by_head)",
    "    key_states = self.k_layernorm(self.k_proj(x).view(shape)).transpose(1, 2)",
    "    query = attn.norm_q(query) if attn.norm_q is not None else query",
    "    q = F.normalize(q, dim=-1)",
  ])("in Python: %s", (code) => {
    expect(candidatesIn(code, "python")).toEqual([step]);
  });

  it("in a call spread over lines, at the line of the norm", () => {
    expect(candidatesIn("out = applyHeadNorm(\n  gamma,\n  k,\n);")).toEqual([step]);
  });
});

describe("a line that only sets a QK norm up is no step", () => {
  it.each([
    "readonly qNorm: RmsNorm;",
    "kNorm!: RmsNorm | undefined;",
    "private #qNorm;",
    "this.qNorm = new RmsNorm(headDim, eps);",
    'import { XQkNorm } from "./norms.ts";',
    "if (this.useQkNorm) {",
  ])("%s", (code) => {
    expect(candidatesIn(code)).toEqual([setup]);
  });

  it.each(["self.q_norm = RMSNorm(head_dim, eps=eps)", "    self.k_norm: nn.Module = nn.Identity()"])(
    "in Python: %s",
    (code) => {
      expect(candidatesIn(code, "python")).toEqual([setup]);
    },
  );
});

describe("a line that has nothing to do with a QK norm is not listed", () => {
  it.each([
    "q = this.q_a_layernorm.forward(this.qAProj.forward(x));",
    "q = this.q_a_layernorm.forward(q);",
    "x = this.inputLayernorm.forward(x);",
    "const total = topKNorm + norm_topk_prob;",
    "// q = this.qNorm.forward(q);",
    "/* the old way:\n   q = this.qNorm.forward(q);\n*/",
    "function rmsNorm(q: Tensor) {",
  ])("%s", (code) => {
    expect(candidatesIn(code)).toEqual([]);
  });

  it("in Python, when it is a comment", () => {
    expect(candidatesIn("  # q = self.q_norm(q)", "python")).toEqual([]);
  });

  it("in a file that never speaks of q or a query", () => {
    expect(findCandidates("const normKey = normalize(key);\n", "typescript")).toEqual([]);
  });

  it.each(["qNorm", "useQkNorm", "xq", "wq", "query", "Q"])(
    "unless %s is said somewhere in the file",
    (word) => {
      expect(findCandidates(`${word};\nk = norm(k);\n`, "typescript")).toContainEqual(
        expect.objectContaining({ line: 2, role: "step" }),
      );
    },
  );

  it("when it calls the shared function already", () => {
    const converted = [
      'import { applyQkNorm } from "@qknorm/core";',
      "[q, k] = applyQkNorm(",
      "  q, k, this.qNorm, this.kNorm, this.headDim,",
      ");",
    ];
    expect(findCandidates(converted.join("\n"), "typescript")).toEqual([]);
    expect(candidatesIn(converted.slice(1).join("\n"))).toHaveLength(2);
    expect(candidatesIn(`${converted[0]}\n[q, k] = this.applyQkNorm(q, k);`)).toEqual([
      { line: 2, role: "step" },
    ]);
  });
});

describe("a candidate says where it is", () => {
  it.each(["\n", "\r\n", "\r"])("with lines that end in %j", (end) => {
    const code = ["class A {", "  // q first", "\tq = this.qNorm.forward(q);", "}"].join(end);
    expect(findCandidates(code, "typescript")).toEqual([
      { line: 3, column: 11, role: "step", names: ["qNorm"], text: "q = this.qNorm.forward(q);" },
    ]);
  });

  it("once for a line with several names", () => {
    const code = "this.qNorm = old; q = apply(this.qNorm, this.kNorm, q);";
    expect(findCandidates(code, "typescript")).toEqual([
      { line: 1, column: 6, role: "step", names: ["qNorm", "kNorm"], text: code },
    ]);
  });

  it("also in code that is cut off in the middle of a call", () => {
    expect(candidatesIn("q = rmsNorm(q, eps")).toEqual([step]);
  });
});

describe("the example model repo", async () => {
  const folder = new URL("../../../examples/model-repo/src/models/", import.meta.url);
  const models = (await readdir(folder)).filter((name) => name.endsWith(".ts"));

  it("has eight models", () => {
    expect(models).toHaveLength(8);
  });

  it.each(models)("%s holds steps for q and for k", async (name) => {
    const found = findCandidates(await readFile(new URL(name, folder), "utf8"), "typescript");
    const names = found.filter(({ role }) => role === "step").flatMap(({ names }) => names);
    expect(names).toContainEqual(expect.stringMatching(/^(qNorm|queryLayernorm)$/));
    expect(names).toContainEqual(expect.stringMatching(/^(kNorm|keyLayernorm)$/));
  });
});
