import { type FloatDtype, QkNormError } from "@qknorm/core";
import type { MoeSpec } from "../backend.ts";
import { Indices } from "../indices.ts";
import { Tensor } from "../tensor.ts";
import { tidy } from "../tidy.ts";
import { add } from "./add.ts";
import { convert } from "./convert.ts";
import { gatherRows } from "./gather-rows.ts";
import { linear } from "./linear.ts";
import { mul } from "./mul.ts";
import { activate } from "./pointwise.ts";
import type { Routing } from "./route.ts";

/** `[E, I, C]`, `[E, I, C]` and `[E, C, I]`. */
interface Experts {
  readonly gate: Tensor;
  readonly up: Tensor;
  readonly down: Tensor;
}

/**
 * `moe` of other ops: a product of matrices for each expert that is chosen, over its tokens. Throws `ERR_QKNORM_DEVICE`
 * for a routing that a device made.
 */
export function composedMoe(
  x: Tensor,
  experts: Experts,
  { experts: chosen, weights }: Routing,
  { activation, weighs, rounding }: Pick<MoeSpec, "activation" | "weighs" | "rounding">,
): Tensor {
  const expertOf = chosen.values;
  if (expertOf === null) {
    throw new QkNormError(
      "ERR_QKNORM_DEVICE",
      `${x.device} has no moe, and composes it for a routing that the host knows: read the experts first`,
    );
  }
  const [tokens, width] = x.shape as [number, number];
  const choices = weights.dim(1);
  return tidy(() => {
    const input = rounding === "once" ? convert(x, "f32") : x;
    const dtype = input.dtype as FloatDtype;
    const ones = Tensor.from(new Float32Array(width).fill(1), [width, 1]).to(x.device);
    const flat = weights.reshape([expertOf.length, 1]);
    /** The weights of some choices, each over a whole row: f32 `[n, C]`. */
    const spread = (choice: readonly number[]) => linear(gatherRows(flat, Indices.from(choice), "f32"), ones);
    const byExpert = [...expertOf.keys()].sort(
      (a, b) => (expertOf[a] as number) - (expertOf[b] as number) || a - b,
    );
    const outputs = Tensor.empty([byExpert.length, width], dtype, x.device); // [T * K, C], by expert
    for (const [start, run] of runs(byExpert, expertOf)) {
      const expert = expertOf[run[0] as number] as number;
      const one = (part: Tensor) => part.slice(0, expert, expert + 1).view([part.dim(1), part.dim(2)]);
      const rows = gatherRows(input, Indices.from(run.map((choice) => Math.floor(choice / choices))), dtype);
      const given = weighs === "input" ? convert(mul(convert(rows, "f32"), spread(run)), dtype) : rows;
      const gated = activate(linear(given, one(experts.gate)), activation);
      const inner = mul(gated, linear(given, one(experts.up))); // [n, I]
      outputs.slice(0, start, start + run.length).copyFrom(linear(inner, one(experts.down)));
    }
    const places = new Array<number>(byExpert.length);
    for (const [place, choice] of byExpert.entries()) places[choice] = place;
    let sum = Tensor.zeros([tokens, width], "f32", x.device);
    for (let k = 0; k < choices; k++) {
      const choice = Array.from({ length: tokens }, (_, token) => token * choices + k);
      const at = choice.map((which) => places[which] as number);
      const output = gatherRows(outputs, Indices.from(at), "f32");
      const weighed = weighs === "input" ? output : mul(output, spread(choice));
      sum = add(sum, rounding === "hf" && weights.dtype === dtype ? rounded(weighed, dtype) : weighed);
    }
    return convert(sum, x.dtype as FloatDtype);
  });
}

/** The runs of choices that go to one expert, with where they start. */
function* runs(byExpert: readonly number[], expertOf: Int32Array): Generator<[number, number[]]> {
  for (let start = 0; start < byExpert.length; ) {
    const expert = expertOf[byExpert[start] as number];
    const rest = byExpert.slice(start).findIndex((choice) => expertOf[choice] !== expert);
    const run = byExpert.slice(start, rest === -1 ? undefined : start + rest);
    yield [start, run];
    start += run.length;
  }
}

function rounded(x: Tensor, dtype: FloatDtype): Tensor {
  return convert(convert(x, dtype), "f32");
}
