// This project as an engine of `oracle/cpu_speed.py`: turns.bench.ts DIR
import { setQkNormLogger } from "@qknorm/core";
import { backendOf, tidy } from "@qknorm/tensor";
import { generateNow, loadModel, nextStep } from "../src/index.ts";
import { now, promptIds, rateSince, takeTurns } from "./turns.ts";

setQkNormLogger(null);
const { model } = loadModel(process.argv[2] as string, { dtype: "bf16" });

await takeTurns({
  about: backendOf("cpu").describe(),
  async decode(prompt, warm, count) {
    const tokens = generateNow(model, promptIds(prompt), { maxTokens: warm + count });
    for (let i = 0; i < warm; i++) tokens.next();
    const start = now();
    for (let i = 0; i < count; i++) tokens.next();
    return rateSince(start, count);
  },
  async prefill(count) {
    const cache = model.newCache();
    const start = now();
    tidy(() => model.forward(nextStep(promptIds(count), cache)));
    const rate = rateSince(start, count);
    cache.dispose();
    return rate;
  },
});
