import { describe, expect, it } from "vitest";
import { planPython } from "../../test/python-plan.ts";
import { attention, planScript } from "../../test/script-cases.ts";

/** A class that knows the head dim while it is built, and not after. */
const forgetful = attention({
  project: `    let q = this.qProj.forward(x).reshape([t, this.heads, -1]);
    let k = this.kProj.forward(x).reshape([t, this.kvHeads, -1]);
    const v = this.vProj.forward(x);`,
  forward: "    q = this.qNorm.forward(q);\n    k = this.kNorm.forward(k);",
})
  .replace("  readonly headDim: number;\n", "")
  .replace("    this.headDim = config.headDim;\n", "");

describe("a head dim without a name", () => {
  it("is the last axis of q, which the norm is given cut into heads", () => {
    const { after } = planScript(forgetful);
    expect(after?.replace(/\s+/g, " ")).toMatch(
      /this\.qNorm, ?this\.kNorm, ?q\.shape\[q\.shape\.length - 1\]!/,
    );
  });

  it("is so in JavaScript without a word for the type checker", () => {
    const plain = forgetful
      .replace(/readonly (\w+): \w+;/g, "$1;")
      .replace(/(\((?:config|x)): \w+/g, "$1")
      .replace(/\): [^{\n]+ \{/g, ") {");
    const { after, findings } = planScript(plain, { path: "repo/attention.js" });
    expect(findings).toMatchObject([{ kind: "replaced" }]);
    expect(after).toMatch(/q\.shape\[q\.shape\.length - 1\](?!!)/);
  });

  it("is that of a variable that an expression is put into, which so is computed once", () => {
    const direct = forgetful
      .replace("q = this.qNorm.forward(q)", "q = this.qNorm.forward(this.turn(q))")
      .replace("k = this.kNorm.forward(k)", "k = this.kNorm.forward(this.turn(k))");
    const after = planScript(direct).after?.replace(/\s+/g, " ");
    expect(after).toMatch(
      /const qHeads = this\.turn\(q\); \[q, k\] = applyQkNorm\( ?qHeads, this\.turn\(k\),/,
    );
    expect(after).toMatch(/qHeads\.shape\[qHeads\.shape\.length - 1\]!/);
  });

  it("is told of no expression whose statement shares its line", () => {
    const shared = forgetful
      .replace("    q = this.qNorm.forward(q);\n", "    this.log(); q = this.qNorm.forward(this.turn(q));\n")
      .replace("k = this.kNorm.forward(k)", "k = this.kNorm.forward(this.turn(k))");
    expect(planScript(shared).findings).toMatchObject([{ kind: "refused", reason: "ambiguous" }]);
  });
});

describe("a head dim that several names of the class could be", () => {
  const sized = (size: string, more = "") => ({
    forward: ["q, k = self.split(self.qk_proj(x))", "q = self.q_norm(q)", "k = self.k_norm(k)"],
    init: [...(more === "" ? [] : [more]), `self.q_norm = Norm(${size})`, `self.k_norm = Norm(${size})`],
  });

  it("is the one that the norms are built with", () => {
    const { after } = planPython(sized("self.qk_head_dim", "self.qk_head_dim = config.qk_head_dim"));
    expect(after).toContain("head_dim=self.qk_head_dim");
  });

  it("is any where both say no more than the head", () => {
    expect(planPython(sized("config.dim_head")).after).toContain("head_dim=self.head_dim");
  });

  it("is none where the norms are built with the width of something else", () => {
    expect(planPython(sized("config.qk_nope_head_dim")).after).toContain("head_dim=q.shape[-1]");
  });
});

it("norms that are built with different sizes are not those of one head dim", () => {
  const forward = ["q, k = self.split(self.qk_proj(x))", "q = self.q_norm(q)", "k = self.k_norm(k)"];
  const init = ["self.q_norm = Norm(config.q_head_dim)", "self.k_norm = Norm(config.k_head_dim)"];
  expect(planPython({ forward, init }).findings).toMatchObject([{ reason: "different-head-dim" }]);
});
