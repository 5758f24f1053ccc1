import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadModel } from "../families/load-model.ts";
import { nextStep } from "./sequence-step.ts";

const golden = (folder: string) => join(import.meta.dirname, "../../golden", folder);

describe.each(["tiny-untied", "sdar/blocks"])("a step of %s", (folder) => {
  const { model } = loadModel(golden(folder), { dtype: "f32" });
  const stale = (message: string) => expect.objectContaining({ code: "ERR_GENERATION", message });

  it("is taken once, and not after another that was made beside it", () => {
    using cache = model.newCache();
    const [first, beside] = [nextStep([1, 2], cache), nextStep([3], cache)];
    model.forward(first);
    const message = "this step comes after 0 tokens, and its cache holds 2: make a new one by `nextStep`";
    for (const step of [first, beside]) {
      expect(() => model.forward(step)).toThrow(stale(message));
      expect(() => model.forwardInPieces(step).next()).toThrow(stale(message));
      expect(() => model.hidden(step)).toThrow(stale(message));
    }
    expect(cache.length).toBe(2);
  });

  it("is taken again where the cache was told that it holds what it did before", () => {
    using cache = model.newCache();
    const step = nextStep([1, 2], cache);
    const logits = model.forward(step).toNumbers();
    cache.holds(0);
    expect(model.forward(step).toNumbers()).toEqual(logits);
  });
});
