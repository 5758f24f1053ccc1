import type { Random } from "./random.ts";

/** A spelling of the QK-norm step: the statements of `forward` that hold it, and the methods it calls. */
interface Spelling {
  readonly step: readonly string[];
  readonly method?: readonly string[];
}

const spellings: readonly Spelling[] = [
  {
    step: [
      "q = this.qNorm.forward(q.reshape([-1, this.headDim])).reshape(q.shape);",
      "k = this.kNorm.forward(k.reshape([-1, this.headDim])).reshape(k.shape);",
    ],
  },
  {
    step: [
      "const qByHead = q.reshape([-1, this.headDim]);",
      "const kByHead = k.reshape([-1, this.headDim]);",
      "q = this.qNorm.forward(qByHead).reshape(q.shape);",
      "k = this.kNorm.forward(kByHead).reshape(k.shape);",
    ],
  },
  {
    step: ["[q, k] = this.normalizeHeads(q, k);"],
    method: [
      "private normalizeHeads(q: Tensor, k: Tensor): [Tensor, Tensor] {",
      "  const qNormed = this.qNorm.forward(q.reshape([-1, this.headDim]));",
      "  const kNormed = this.kNorm.forward(k.reshape([-1, this.headDim]));",
      "  return [qNormed.reshape(q.shape), kNormed.reshape(k.shape)];",
      "}",
    ],
  },
  {
    step: [
      "if (this.useQkNorm) {",
      "  q = this.qNorm.forward(q.reshape([-1, this.headDim])).reshape(q.shape);",
      "  k = this.kNorm.forward(k.reshape([-1, this.headDim])).reshape(k.shape);",
      "}",
    ],
  },
  // Kept: the norm sees all heads at once.
  { step: ["q = this.qNorm.forward(q);", "k = this.kNorm.forward(k);"] },
];

/** The norm that every attention file imports. */
export const normCode = `import type { Tensor } from "./tensor.ts";

/** Root mean square over the last axis. */
export class RmsNorm {
  readonly weight: Tensor;
  readonly eps: number;

  constructor(weight: Tensor, eps: number) {
    this.weight = weight;
    this.eps = eps;
  }

  forward(x: Tensor): Tensor {
    const meanSquare = x.mul(x).mean(-1);
    return x.mul(meanSquare.add(this.eps).rsqrt()).mul(this.weight);
  }
}
`;

/** An attention layer with one copy of the QK-norm step; \`norms\` is where \`RmsNorm\` is imported from. */
export function attentionCode(norms: string, random: Random): string {
  const { step, method } = random.pick(spellings);
  const name = `Model${random.integer(1, 99_999)}Attention`;
  const weight = method === undefined && step[0]!.endsWith("(q);") ? "rowWeight" : "headWeight";
  return `import { RmsNorm } from "${norms}";
import type { Tensor } from "./tensor.ts";

/** One attention layer: projections, QK norm, rope, attention. */
export class ${name} {
  readonly headDim: number;
  readonly useQkNorm: boolean;
  readonly qNorm: RmsNorm;
  readonly kNorm: RmsNorm;

  constructor(readonly config: Config) {
    this.headDim = config.headDim;
    this.useQkNorm = config.useQkNorm;
    this.qNorm = new RmsNorm(config.${weight}, config.eps);
    this.kNorm = new RmsNorm(config.${weight}, config.eps);
  }

  forward(x: Tensor): Tensor {
    const { heads, kvHeads, headDim } = this.config;
    const kStart = heads * headDim;
    const vStart = kStart + kvHeads * headDim;
    const qkv = this.qkvProj.forward(x);
    let q = qkv.slice(0, kStart);
    let k = qkv.slice(kStart, vStart);
    const v = qkv.slice(vStart, qkv.width);
${step.map((line) => `    ${line}`).join("\n")}
    q = this.rope.forward(q);
    k = this.rope.forward(k);
    return this.oProj.forward(this.attend(q, k, v));
  }
${method === undefined ? "" : `\n${method.map((line) => `  ${line}`).join("\n")}\n`}}
`;
}
