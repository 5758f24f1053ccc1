// Greedy decoding of a model folder, as JSON: tokens per second, best of some runs. `oracle/moe_decode.py` runs it beside
// transformers.
//
//     node --conditions=@qknorm/source --import tsx packages/models/bench/decode.bench.ts DIR --dtype bf16 --prompt 16 --tokens 32
import { parseArgs } from "node:util";
import { setQkNormLogger } from "@qknorm/core";
import { backendOf, type FloatDtype, tidy } from "@qknorm/tensor";
import { loadModel, nextStep } from "../src/index.ts";

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    dtype: { type: "string", default: "bf16" },
    prompt: { type: "string", default: "16" },
    tokens: { type: "string", default: "32" },
    runs: { type: "string", default: "3" },
  },
});
setQkNormLogger(null);
const [prompt, tokens, runs] = [values.prompt, values.tokens, values.runs].map(Number) as [
  number,
  number,
  number,
];
const { model } = loadModel(positionals[0] as string, { dtype: values.dtype as FloatDtype });
const rates: number[] = [];
const ids: number[] = [];
for (let run = 0; run < runs; run++) {
  const cache = model.newCache();
  let last = largest(
    tidy(() =>
      model
        .forward(
          nextStep(
            Array.from({ length: prompt }, (_, i) => i + 1),
            cache,
          ),
        )
        .toNumbers(),
    ),
  );
  const started = performance.now();
  ids.length = 0;
  for (let i = 0; i < tokens; i++) {
    ids.push(last);
    const id = last;
    last = largest(tidy(() => model.forward(nextStep([id], cache)).toNumbers()));
  }
  rates.push((1000 * tokens) / (performance.now() - started));
  cache.dispose();
}
process.stdout.write(
  `${JSON.stringify({ kernels: backendOf("cpu").describe(), tokensPerSecond: Math.max(...rates), ids })}\n`,
);

function largest(values: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if ((values[i] as number) > (values[best] as number)) best = i;
  return best;
}
