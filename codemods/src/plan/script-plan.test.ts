import { describe, expect, it } from "vitest";
import { attention, call, onOneLine, plainRms, planScript, rows } from "../../test/script-cases.ts";

const method = (body: string) => `
  private normalize(q: Tensor, k: Tensor): [Tensor, Tensor] {
${body}
  }
`;

describe("every spelling of the step becomes the call", () => {
  it.each([
    ["two one-liners", `q = ${rows("q")}; k = ${rows("k")};`],
    ["k first", `k = ${rows("k")};\n    q = ${rows("q")};`],
    [
      "temporaries, in the order q, k, q, k",
      `const a = q.reshape([-1, this.headDim]);
    const b = k.reshape([-1, this.headDim]);
    const c = this.qNorm.forward(a);
    const d = this.kNorm.forward(b);
    q = c.reshape(q.shape);
    k = d.reshape(k.shape);`,
    ],
    [
      "shapes saved first",
      `const qShape = q.shape;
    const kShape = k.shape;
    q = this.qNorm.forward(q.reshape([-1, this.headDim])).reshape(qShape);
    k = this.kNorm.forward(k.reshape([-1, this.headDim])).reshape(kShape);`,
    ],
    [
      "a helper in another file",
      "q = applyHeadNorm(this.qNorm, q, this.headDim);\n    k = applyHeadNorm(this.kNorm, k, this.headDim);",
    ],
    [
      "a closure",
      `const rows = (norm: RmsNorm, t: Tensor) => norm.forward(t.reshape([-1, this.headDim])).reshape(t.shape);
    q = rows(this.qNorm, q);
    k = rows(this.kNorm, k);`,
    ],
    [
      "norms called as functions",
      "q = this.qNorm(q.view(-1, this.headDim)).view_as(q);\n    k = this.kNorm(k.view(-1, this.headDim)).view_as(k);",
    ],
    ["types and exclamation marks", `q = (${rows("q")}) as Tensor;\n    k = ${rows("k")}!;`],
    ["one assignment of both", `[q, k] = [${rows("q")}, ${rows("k")}];`],
  ])("%s", (_, forward) => {
    const { after, findings } = planScript(attention({ forward }));
    expect(findings).toMatchObject([{ kind: "replaced", symbol: "Attention.forward" }]);
    expect(after).toContain(call);
    expect(after).not.toMatch(/(?:q|k)Norm\.forward|\.qNorm\(|HeadNorm\(this/);
    expect(after).toContain('import { applyQkNorm } from "@qknorm/core";');
  });

  it.each([
    ["a plain method", `    return [${rows("q")}, ${rows("k")}];`],
    [
      "an early return in a stream branch",
      `    const alt = this.altStream;
    if (alt !== undefined && isCapturing()) {
      alt.waitFor(mainStream);
      const a = this.qNorm.forward(q.reshape([-1, this.headDim]));
      const b = alt.run(() => this.kNorm.forward(k.reshape([-1, this.headDim])));
      mainStream.waitFor(alt);
      return [a.reshape(q.shape), b.reshape(k.shape)];
    }
    q = ${rows("q")};
    k = ${rows("k")};
    return [q, k];`,
    ],
  ])("and takes out %s", (name, body) => {
    const { after, findings } = planScript(
      attention({ forward: "    [q, k] = this.normalize(q, k);", members: method(body) }),
    );
    expect(findings).toMatchObject([{ kind: "replaced", symbol: "Attention.normalize" }]);
    expect(after).not.toContain("normalize");
    expect(onOneLine(after)).toContain(`[q, k] = ${call.slice(0, -1)}`);
    expect(after?.includes("altStream: this.altStream")).toBe(name.includes("stream"));
  });

  it("keeps a guard, and an ownership wrapper with the helper out of place", () => {
    const project = `    let q = this.qProj.forward(x).reshape([-1, this.heads, this.headDim]);
    let k = this.kProj.forward(x).reshape([-1, this.kvHeads, this.headDim]);
    const v = this.vProj.forward(x);`;
    const forward = `    if (this.useQkNorm) {
      q = disposing(q, this.qNorm.forward(q));
      k = disposing(k, this.kNorm.forward(k));
    }`;
    const { after } = planScript(attention({ project, forward }));
    expect(onOneLine(after)).toContain(
      "if (this.useQkNorm) { const [qNormed, kNormed] = " +
        "applyQkNorm(q, k, this.qNorm, this.kNorm, this.headDim, { allowInplace: false }); " +
        "q = disposing(q, qNormed); k = disposing(k, kNormed); }",
    );
  });

  it("and a comment inside is kept above the call, with a word about it", () => {
    const forward = `    const a = q.reshape([-1, this.headDim]); // [T*Hq, D]
    q = this.qNorm.forward(a).reshape(q.shape);
    k = ${rows("k")};`;
    const { after, findings } = planScript(attention({ forward }));
    expect(findings).toMatchObject([{ kind: "replaced", reason: "comment-inside" }]);
    expect(after).toContain(`    // [T*Hq, D]\n    [q, k] = ${call};`);
  });

  it("at the second place, when k is only there then", () => {
    const forward = `    q = ${rows("q")};
    k = k.mul(2);
    k = ${rows("k")};`;
    const { after } = planScript(attention({ forward }));
    expect(after).toContain(`    k = k.mul(2);\n    [q, k] = ${call};`);
  });

  it("never under a name that holds something else by then", () => {
    const forward = `    let x = q;
    x = this.qNorm.forward(x.reshape([-1, this.headDim]));
    q = x.reshape(q.shape);
    x = k;
    x = this.kNorm.forward(x.reshape([-1, this.headDim]));
    k = x.reshape(k.shape);`;
    const { after = "" } = planScript(attention({ forward }));
    expect(after).not.toContain("applyQkNorm(x");
  });

  it("under an import alias of the norm's class", () => {
    const code = attention({ forward: `q = ${rows("q")}; k = ${rows("k")};`, norm: "HeadNorm" });
    expect(planScript(code.replace("HeadNorm }", "RmsNorm as HeadNorm }")).findings).toMatchObject([
      { kind: "replaced" },
    ]);
  });
});

describe("what is another function, or not safe, keeps every byte and says why", () => {
  const both = `    q = ${rows("q")};\n    k = ${rows("k")};`;
  it.each([
    ["unit-offset-norm", { forward: both, norm: "OffsetNorm" }],
    ["layer-norm", { forward: both, norm: "CenteredNorm" }],
    ["unknown-norm", { forward: both, norm: "SlowNorm" }],
    ["unit-offset-norm", { forward: both, kNorm: "OffsetNorm" }],
    ["third-norm", { forward: `    const raw = k;\n${both}\n    const w = this.vNorm.forward(raw.add(v));` }],
    ["aliased-input", { forward: `    const raw = q;\n${both}\n    this.gate(raw);` }],
    ["aliased-input", { forward: `    this.lastK = k;\n${both}` }],
    [
      "shape-changed",
      {
        forward:
          "    q = this.qNorm.forward(relu(q.reshape([-1, this.headDim])));\n    k = this.kNorm.forward(relu(k.reshape([-1, this.headDim])));",
      },
    ],
    [
      "norm-not-per-head",
      {
        forward:
          "    q = this.qNorm.forward(q.reshape([-1, this.heads * this.headDim])).reshape(q.shape);\n    k = this.kNorm.forward(k.reshape([-1, this.heads * this.headDim])).reshape(k.shape);",
      },
    ],
    [
      "norm-not-per-head",
      {
        forward:
          "    q = this.qNorm.forward(q.transpose(0, 1));\n    k = this.kNorm.forward(k.transpose(0, 1));",
      },
    ],
    [
      "different-head-dim",
      {
        forward:
          "    q = this.qNorm.forward(q.reshape([-1, this.headDim])).reshape(q.shape);\n    k = this.kNorm.forward(k.reshape([-1, this.kHeadDim])).reshape(k.shape);",
      },
    ],
    ["one-sided", { forward: `    q = ${rows("q")};` }],
    ["conditional-side", { forward: `    q = ${rows("q")};\n    if (this.normK) k = ${rows("k")};` }],
    [
      "conditional-side",
      { forward: `    q = this.on ? ${rows("q")} : q;\n    k = this.on ? ${rows("k")} : k;` },
    ],
    ["ownership", { forward: `    q = swap(q, ${rows("q")});\n    k = swap(k, ${rows("k")});` }],
    [
      "ambiguous",
      {
        forward: `    q = this.kNorm.forward(q.reshape([-1, this.headDim])).reshape(q.shape);\n    k = this.qNorm.forward(k.reshape([-1, this.headDim])).reshape(k.shape);`,
      },
    ],
    [
      "ambiguous",
      {
        forward: `    q = ${rows("q")};\n    k = this.kNorm.forward(other.reshape([-1, this.headDim])).reshape(other.shape);`,
      },
    ],
  ] as const)("%s", (reason, parts) => {
    const { after, findings } = planScript(attention(parts));
    expect(after).toBeUndefined();
    expect(findings.map((finding) => finding.reason)).toContain(reason);
  });

  it("ambiguous, when the first result would be needed before the call can stand", () => {
    const forward = `    q = ${rows("q")};
    const made = this.late(k);
    k = this.fold(this.kNorm.forward(made.reshape([-1, this.heads, this.headDim])));`;
    expect(planScript(attention({ forward }))).toMatchObject({
      after: undefined,
      findings: [{ reason: "ambiguous" }],
    });
  });

  it("helper-mismatch, when a second stream would be lost", () => {
    const forward = `    if (this.altStream) {
      this.altStream.follow(main);
      const a = ${rows("q")};
      const b = this.altStream.run(() => ${rows("k")});
      main.follow(this.altStream);
      q = a;
      k = b;
    } else {
      q = ${rows("q")};
      k = ${rows("k")};
    }`;
    expect(planScript(attention({ forward })).after).toContain("altStream: this.altStream");
    expect(
      planScript(attention({ forward }), { profile: { ...plainRms, takesAltStream: false } }),
    ).toMatchObject({
      after: undefined,
      findings: [{ reason: "helper-mismatch" }],
    });
  });

  it("overridden-method, when a class in another file has its own", () => {
    const members = method(`    return [${rows("q")}, ${rows("k")}];`).replace("private", "protected");
    const derived = `import { Attention } from "./attention";
export class Wide extends Attention {
  protected override normalize(q: Tensor, k: Tensor): [Tensor, Tensor] { return [k, q]; }
}`;
    const code = attention({ forward: "    [q, k] = this.normalize(q, k);", members });
    expect(planScript(code, { others: { "repo/wide.ts": derived } })).toMatchObject({
      after: undefined,
      findings: [{ reason: "overridden-method" }],
    });
  });

  it.each([
    ["a layer norm", "override readonly qNorm = new CenteredNorm(w, 1e-6);"],
    ["a norm of unknown class", "override readonly qNorm = makeNorm();"],
    ["a field of another class", "declare readonly qNorm: CenteredNorm;"],
  ])("unknown-norm, when a derived class has %s in its place", (_, field) => {
    const derived = `import { Attention } from "./attention";
import { CenteredNorm } from "./norms";
export class Wide extends Attention { ${field} }`;
    const code = attention({ forward: `    q = ${rows("q")};\n    k = ${rows("k")};` });
    expect(planScript(code, { others: { "repo/wide.ts": derived } })).toMatchObject({
      after: undefined,
      findings: [
        { reason: "unknown-norm", message: expect.stringContaining("Wide in repo/wide.ts derives") },
      ],
    });
  });

  it("unknown-norm, when one arm of a choice builds what cannot be told", () => {
    const code = attention({ forward: `    q = ${rows("q")};\n    k = ${rows("k")};` })
      .replace("this.qNorm = new RmsNorm", "this.qNorm = config.other ? makeNorm(config) : new RmsNorm")
      .replace("qNorm: RmsNorm;", "qNorm;");
    expect(planScript(code)).toMatchObject({ after: undefined, findings: [{ reason: "unknown-norm" }] });
    expect(planScript(code.replace("makeNorm(config)", "undefined")).after).toBeDefined();
  });

  it("parse-error, and nothing is planned", () => {
    expect(planScript(`${attention({ forward: both })}\nfunction (`)).toMatchObject({
      after: undefined,
      findings: [{ reason: "parse-error" }],
    });
  });
});

describe("a method that only passes on what the step gives back", () => {
  it("stays, and calls the helper in the place of the step", () => {
    const passOn = `
  private both(q: Tensor, k: Tensor): [Tensor, Tensor] {
    return this.normalize(q, k);
  }
`;
    const step = method(`    q = ${rows("q")};\n    k = ${rows("k")};\n    return [q, k];`);
    const { after, findings } = planScript(
      attention({ forward: "    [q, k] = this.both(q, k);", members: passOn + step }),
    );
    expect(findings).toMatchObject([{ kind: "replaced", symbol: "Attention.normalize" }]);
    expect(after).toContain("return applyQkNorm(q, k, this.qNorm, this.kNorm, this.headDim");
    expect(after).toContain("[q, k] = this.both(q, k);");
    expect(after).not.toContain("normalize");
  });
});
