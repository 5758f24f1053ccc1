import { compileFunction } from "node:vm";
import { compiler } from "../src/languages/typescript/compiler.ts";

/** A view of shared memory, so that writing in place is seen by every other view. */
class Tensor {
  readonly dtype = "f64";
  readonly data: Float64Array;
  readonly shape: readonly number[];

  constructor(data: Float64Array, shape: readonly number[]) {
    this.data = data;
    this.shape = shape;
  }

  reshape(shape: readonly number[]): Tensor {
    const known = shape.filter((size) => size !== -1).reduce((a, b) => a * b, 1);
    return new Tensor(
      this.data,
      shape.map((size) => (size === -1 ? this.data.length / known : size)),
    );
  }

  to(): Tensor {
    return this;
  }

  clone(): Tensor {
    return new Tensor(this.data.slice(), this.shape);
  }

  mul(factor: number): Tensor {
    return new Tensor(
      this.data.map((x) => x * factor),
      this.shape,
    );
  }
}

class RmsNorm {
  readonly weight: readonly number[];
  readonly eps: number;

  constructor(weight: readonly number[], eps: number) {
    this.weight = weight;
    this.eps = eps;
  }

  forward({ data, shape }: Tensor): Tensor {
    const width = this.weight.length;
    const normed = data.map((x, i) => {
      const row = data.subarray(i - (i % width), i - (i % width) + width);
      const square = row.reduce((sum, one) => sum + one * one, 0) / width;
      return (x / Math.sqrt(square + this.eps)) * this.weight[i % width]!;
    });
    return new Tensor(normed, shape);
  }
}

/** As a fused kernel would: into q and k, unless it is told not to. */
function applyQkNorm(
  q: Tensor,
  k: Tensor,
  qNorm: RmsNorm,
  kNorm: RmsNorm,
  headDim: number,
  { allowInplace = true }: { readonly allowInplace?: boolean } = {},
): readonly Tensor[] {
  return [[q, qNorm] as const, [k, kNorm] as const].map(([x, norm]) => {
    const normed = norm.forward(x.reshape([-1, headDim])).reshape(x.shape);
    if (!allowInplace) return normed;
    x.data.set(normed.data);
    return x;
  });
}

const headDim = 4;
const modules: Readonly<Record<string, unknown>> = {
  "./norms": { RmsNorm },
  "@qknorm/core": { applyQkNorm },
};

/** What the model of a file puts out, every number of it; what it throws is an output too. */
export function scriptOutputs(text: string): readonly unknown[] {
  const { CommonJS } = compiler.ModuleKind;
  const { outputText } = compiler.transpileModule(text, {
    compilerOptions: { module: CommonJS, target: compiler.ScriptTarget.ES2022 },
  });
  const exports: { Attention?: new (config: object) => Record<string, unknown> } = {};
  const ones = (size: number) => Array.from({ length: size }, (_, i) => 1 + i / 8);
  try {
    compileFunction(outputText, ["exports", "require", "ones"])(
      exports,
      (name: string) => modules[name],
      ones,
    );
    const attention = new exports.Attention!({ headDim, eps: 1e-6 });
    for (const [i, name] of ["qProj", "kProj", "vProj"].entries())
      attention[name] = { forward: () => projected(i) };
    return numbersOf((attention.forward as (x: unknown) => unknown)(projected(3)));
  } catch (error) {
    return [String(error)];
  }
}

function projected(seed: number): Tensor {
  return new Tensor(
    Float64Array.from({ length: 4 * headDim }, (_, i) => Math.sin(seed + 0.7 * i)),
    [2, 2 * headDim],
  );
}

function numbersOf(value: unknown): readonly unknown[] {
  if (value instanceof Tensor) return [...value.data];
  if (value instanceof Float64Array) return [...value];
  return Array.isArray(value) ? value.flatMap(numbersOf) : [value];
}
