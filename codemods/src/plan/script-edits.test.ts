import { describe, expect, it } from "vitest";
import { attention, call, norms, onOneLine, plainRms, planScript, rows } from "../../test/script-cases.ts";

const method = (body: string) => `
  private normalize(q: Tensor, k: Tensor): [Tensor, Tensor] {
${body}
  }
`;

describe("untouched bytes stay", () => {
  const code = attention({ forward: `    q = ${rows("q")};\n    k = ${rows("k")};` });

  it.each([
    ["carriage returns", (text: string) => text.replaceAll("\n", "\r\n")],
    ["tabs", (text: string) => text.replaceAll("  ", "\t")],
    ["no line end at the end", (text: string) => text.trimEnd()],
  ])("with %s", (_, spell) => {
    const before = spell(code);
    const { after } = planScript(before);
    const own = spell(`\n    [q, k] = ${call};\n`);
    expect(after).toContain(own.trimEnd());
    const withoutCall = after!
      .replace(own, spell(`\n    q = ${rows("q")};\n    k = ${rows("k")};\n`))
      .replace(/^import \{ applyQkNorm \} from "@qknorm\/core";\r?\n/, "");
    expect(withoutCall).toBe(before);
  });

  it("and a second run changes nothing", () => {
    const { after } = planScript(code);
    expect(planScript(after!)).toEqual({ after: undefined, findings: [] });
  });
});

describe("statements that share a line", () => {
  const [q, k] = [`q = ${rows("q")};`, `k = ${rows("k")};`];
  it.each([
    ["both", `    ${q} ${k}`, `    [q, k] = ${call};\n`],
    ["k first", `    ${k} ${q}`, `    [q, k] = ${call};\n`],
    ["another one behind", `    ${q} ${k} this.done();`, `    [q, k] = ${call}; this.done();\n`],
    ["a block", `    if (this.on) { ${q} ${k} }`, `    if (this.on) { [q, k] = ${call}; }\n`],
    ["a comment between", `    ${q} /* then */ ${k}`, `    [q, k] = ${call}; /* then */\n`],
    [
      "temporaries",
      `    const s = q.shape; const t = k.shape; q = ${rows("q").replace("q.shape", "s")}; k = ${rows("k").replace("k.shape", "t")};`,
      `    [q, k] = ${call};\n`,
    ],
    [
      "temporaries of one declaration",
      `    const s = q.shape,\n      t = k.shape;\n    q = ${rows("q").replace("q.shape", "s")};\n    k = ${rows("k").replace("k.shape", "t")};`,
      `    [q, k] = ${call};\n`,
    ],
  ])("leave nothing of what stood between them: %s", (_, forward, wanted) => {
    for (const lineEnd of ["\n", "\r\n"]) {
      const { after } = planScript(attention({ forward }).replaceAll("\n", lineEnd));
      expect(onOneLine(after)).toContain(onOneLine(wanted)!.trim());
      expect(after).not.toMatch(/[ \t]\r?$/m);
    }
  });

  it("leave the semicolon that guards the line behind", () => {
    const step = "    q = this.qNorm.forward(q)\n    k = this.kNorm.forward(k)\n    ;[this.last] = [1]\n";
    const code = attention({ forward: step }).replaceAll(/;$/gm, "");
    expect(planScript(code).after).toContain(
      "    ;[q, k] = applyQkNorm(q, k, this.qNorm, this.kNorm, this.headDim)\n    ;[this.last] = [1]\n",
    );
  });

  it.each([
    ["both results", `    const a = ${rows("q")}, b = ${rows("k")};\n    q = a;\n    k = b;`],
    [
      "a temporary and something else",
      `    const s = q.shape, other = 1;\n    q = ${rows("q").replace("q.shape", "s")};\n    ${k}\n    this.note(other);`,
    ],
  ])("are refused where they are one declaration: %s", (_, forward) => {
    expect(planScript(attention({ forward }))).toMatchObject({
      after: undefined,
      findings: [{ reason: "ambiguous" }],
    });
  });
});

describe("imports", () => {
  it("go into an existing import of the module, in sorted place", () => {
    const code = attention({
      forward: `    q = ${rows("q")};\n    k = ${rows("k")};`,
      imports: 'import { QkNormError, planQkNorm } from "@qknorm/core";',
    });
    expect(planScript(code).after).toContain(
      'import { QkNormError, planQkNorm, applyQkNorm } from "@qknorm/core";',
    );
  });

  it("come to the place of one that goes", () => {
    const code = attention({
      forward: "    q = zNorm(this.qNorm, q, this.headDim);\n    k = zNorm(this.kNorm, k, this.headDim);",
      imports: 'import { zNorm } from "./z";',
    });
    const others = { "repo/z.ts": norms.replaceAll("applyHeadNorm", "zNorm") };
    const profile = { ...plainRms, helper: { name: "applyQkNorm", module: "./zz" } };
    const { after } = planScript(code, { others, profile });
    expect(after).toContain('RmsNorm } from "./norms";\nimport { applyQkNorm } from "./zz";\nexport class');
  });

  it("that nothing needs any more go, and those still needed stay", () => {
    const members = method(`    note(rows, other);\n    return [${rows("q")}, ${rows("k")}];`).replace(
      "note(rows, other);",
      "",
    );
    const helper = attention({
      forward:
        "    q = applyHeadNorm(this.qNorm, q, this.headDim);\n    k = applyHeadNorm(this.kNorm, k, this.headDim);",
      members: members.replace("normalize", "unused"),
    });
    const { after } = planScript(helper);
    expect(after).not.toMatch(/import \{[^}]*applyHeadNorm/);
    expect(after).toContain("import { disposing, RmsNorm }");
  });
});
