import { describe, expect, test } from "vitest";
import { type Outcome, outcomeOf, type Step } from "../../test/in-place-step.ts";
import { attention, planScript } from "../../test/script-cases.ts";
import { qknormProfile } from "../profiles/profile.ts";

function script({ before = [], after = [], made }: Step): Outcome {
  const lines = [
    ...before,
    "q = this.qNorm.forward(q.reshape([-1, this.headDim])).reshape(q.shape);",
    "k = this.kNorm.forward(k.reshape([-1, this.headDim])).reshape(k.shape);",
    ...after,
  ];
  const code = attention({ forward: lines.join("\n"), ...(made && { project: made.join("\n") }) });
  return outcomeOf(planScript(code).after);
}

describe("in TypeScript the helper overwrites q and k", () => {
  test.each<[string, Step]>([
    ["that projections have just made", {}],
    ["of which somebody has a product", { before: ["const raw = k.mul(2);"], after: ["this.log(raw);"] }],
    ["of which somebody had an array that nobody reads", { before: ["const raw = [q, k];"] }],
    ["whose shape is read again", { before: ["const raw = k;"], after: ["this.log(raw.shape);"] }],
  ])("%s", (_, step) => expect(script(step)).toBe("in place"));

  test.each<[string, Step]>([
    ["in an array", { before: ["const raw = [q, k];"], after: ["this.log(raw[1]);"] }],
    ["pushed", { before: ["this.taps.push(k);"] }],
    ["in an object", { before: ["const state = { k };"], after: ["this.log(state.k);"] }],
    [
      "in an object by a method",
      { before: ["const state = { get: () => k };"], after: ["this.log(state);"] },
    ],
    ["spread", { before: ["const raw = [...[q, k]];"], after: ["this.log(raw);"] }],
    ["concatenated", { before: ["const raw = [q].concat([k]);"], after: ["this.log(raw);"] }],
    ["by `??`", { before: ["const raw = this.raw ?? k;"], after: ["this.log(raw);"] }],
    ["by an assignment inside", { before: ["let raw;", "this.f((raw = k));"], after: ["this.log(raw);"] }],
    ["by a chain", { before: ["let raw, other;", "raw = other = k;"], after: ["this.log(raw);"] }],
    ["in a variable of the module", { before: ["kept = k;"] }],
    ["by a closure that is written before", { before: ["const later = () => raw;", "const raw = k;"] }],
    ["as a default", { before: ["const later = (raw = k) => raw;"], after: ["this.log(later());"] }],
    ["bound", { before: ["const later = this.log.bind(this, k);"], after: ["later();"] }],
    ["in a class that is made of it", { before: ["const raw = new Box(k);"], after: ["this.log(raw);"] }],
    ["in its data", { before: ["const raw = k.data;"], after: ["this.log(raw);"] }],
    [
      "on both branches",
      {
        before: [
          "let raw;",
          "if (this.a) {",
          "k = this.f(k);",
          "raw = k;",
          "} else {",
          "k = k.mul(2);",
          "raw = k;",
          "}",
        ],
        after: ["this.log(raw);"],
      },
    ],
    [
      "where a handler may see it",
      {
        before: ["const rawK = [k];", "try {"],
        after: ["} catch {", "this.log(rawK);", "}"],
      },
    ],
    ["in a class that is called like an operation", { before: ["this.raw = new ops.stack(k);"] }],
    ["in a class that is called like an operation, unread", { before: ["new ops.stack(k);"] }],
    [
      "where a handler may see what a variable was",
      { before: ["let raw = k;", "try {"], after: ["raw = v;", "} catch {", "this.log(raw);", "}"] },
    ],
    [
      "as what a function with a default gives",
      { before: ["const later = (raw = k) => raw;", "const raw = later();"], after: ["this.log(raw);"] },
    ],
    ["by code in a text, afterwards", { before: ["const raw = k;"], after: ['eval("this.log(raw)");'] }],
    ["as what a function was told to write into", { before: ["k = ops.mul(k, 2, { out: this.buffer });"] }],
    ["by a Map", { before: ['this.state.set("k", k);'] }],
    [
      "as the default of a field",
      { before: ["const { raw = k } = this.options;"], after: ["this.log(raw);"] },
    ],
    [
      "as the default of an item",
      { before: ["const [[raw = k]] = this.options;"], after: ["this.log(raw);"] },
    ],
    [
      "by a handler that it was thrown to",
      { before: ["let raw;", "try { throw k; } catch (e) { raw = e; }"], after: ["this.log(raw);"] },
    ],
    ["by code in a text", { before: ['const raw = eval("k");'], after: ["this.log(raw);"] }],
    ["by its own other places", { before: ["k = k.broadcastTo([4, 4]);"] }],
    ["by a tagged template", { before: [`tap\`k is \${k}\`;`] }],
    ["behind a comma", { before: ["const raw = (this.count(), k);"], after: ["this.log(raw);"] }],
    ["by `??=`", { before: ["let raw = this.raw;", "raw ??= k;"], after: ["this.log(raw);"] }],
    ["by `&&=`", { before: ["let raw = this.raw;", "raw &&= k;"], after: ["this.log(raw);"] }],
    [
      "by a class",
      { before: ["const Raw = class { get k() { return k; } };"], after: ["this.log(new Raw().k);"] },
    ],
    [
      "by a class with a name",
      { before: ["class Raw { get() { return k; } }"], after: ["this.log(new Raw().get());"] },
    ],
    [
      "by the case of a switch",
      {
        before: ["let raw;", "switch (this.mode) {", "case 1:", "raw = [k];", "}"],
        after: ["this.log(raw);"],
      },
    ],
  ])("but not while one of them is held: %s", (_, step) => expect(script(step)).not.toBe("in place"));

  test.each([
    ["that are freed when the function ends", "using", "using"],
    ["of which one is", "const", "using"],
  ])("but not %s", (_, ofQ, ofK) => {
    const project = `${ofQ} q0 = this.qProj.forward(x);\n${ofK} k0 = this.kProj.forward(x);\nconst v = x;`;
    const norm = (side: string) =>
      `const ${side} = this.${side}Norm.forward(${side}0.reshape([-1, this.headDim])).reshape(${side}0.shape);`;
    const code = attention({ project, forward: `${norm("q")}\n${norm("k")}` });
    expect(outcomeOf(planScript(code).after)).toBe("apart");
    expect(outcomeOf(planScript(code.replaceAll("using", "const")).after)).toBe("in place");
  });

  test("but not what a caller gives to a function that knows it as `arguments` too", () => {
    const code = (result: string) => `import { attend, headDim, kNorm, qNorm, wk, wq } from "./model";
function normed(q, k) {
  q = qNorm.forward(q.reshape([-1, headDim])).reshape(q.shape);
  k = kNorm.forward(k.reshape([-1, headDim])).reshape(k.shape);
  return attend(q, k, ${result});
}
export const forward = (x) => {
  const q = x.matmul(wq);
  const k = x.matmul(wk);
  return normed(q, k);
};
`;
    const outcome = (result: string) =>
      outcomeOf(planScript(code(result), { profile: qknormProfile, path: "repo/attention.js" }).after);
    expect(outcome("headDim")).toBe("in place");
    expect(outcome("arguments[0]")).toBe("apart");
  });

  test("but not where the step is no part of a function, and every function of the file may hold them", () => {
    const code = `import { attend, headDim, kNorm, qNorm, wk, wq, x } from "./model";
import * as ops from "./ops";

let q = ops.matmul(x, wq);
let k = ops.matmul(x, wk);
const raw = k;
export const peek = () => raw;
export function look() {
  return raw;
}
q = qNorm.forward(q.reshape([-1, headDim])).reshape(q.shape);
k = kNorm.forward(k.reshape([-1, headDim])).reshape(k.shape);
export const out = attend(q, k);
`;
    expect(outcomeOf(planScript(code, { profile: qknormProfile }).after)).toBe("apart");
  });

  test("nor what a projection gives back that does nothing", () => {
    const code = attention({
      forward: "q = this.qNorm.forward(q);\nk = this.kNorm.forward(k);",
      members: "  readonly qProj: Linear;\n  readonly kProj: Linear;\n",
      imports: 'import { Linear } from "./linear";',
      project:
        "let q = this.qProj.forward(x).reshape([-1, this.heads, this.headDim]);\nlet k = this.kProj.forward(x).reshape([-1, this.heads, this.headDim]);\nconst v = x;",
    });
    const linear = (body: string) => ({
      "repo/linear.ts": `export class Linear { forward(x: Tensor): Tensor { return ${body}; } }`,
    });
    expect(outcomeOf(planScript(code, { others: linear("x") }).after)).toBe("apart");
    expect(outcomeOf(planScript(code, { others: linear("x.matmul(this.weight)") }).after)).toBe("in place");
  });
});
