import { fileURLToPath } from "node:url";
import { type CacheDtype, tidy } from "@qknorm/tensor";
import { describe, expect, it } from "vitest";
import { type LoadOptions, loadModel } from "../src/families/load-model.ts";
import { nextStep } from "../src/layers/sequence-step.ts";

const folder = fileURLToPath(new URL("../golden/tiny-untied", import.meta.url));
const ids = Array.from({ length: 40 }, (_, i) => (i * 7) % 128);
const load = (options: LoadOptions) => loadModel(folder, options).model;

function logits(options: LoadOptions): number[] {
  const model = load(options);
  const cache = model.newCache();
  const prompt = tidy(() => [...model.forward(nextStep(ids.slice(0, 30), cache)).toNumbers()]);
  return ids.slice(30).reduce((_, id) => [...model.forward(nextStep([id], cache)).toNumbers()], prompt);
}

describe("a cache of e4m3", () => {
  it("takes half the memory of bf16 but for its scales, and moves logits by less than e4m3 rounds", () => {
    const exact = logits({ dtype: "f32" });
    const found = logits({ dtype: "f32", cacheDtype: "e4m3" });
    const largest = Math.max(...exact.map(Math.abs));
    const apart = exact.map((value, i) => Math.abs(value - (found[i] as number)));
    expect(Math.max(...apart)).toBeGreaterThan(0);
    expect(Math.max(...apart)).toBeLessThan(largest / 16);
    const pagesOf = (cacheDtype: CacheDtype) =>
      load({ dtype: "bf16", cacheDtype }).newPagedCache({ bytes: 2 ** 20 }).pool.pages;
    // D is 96: 192 bytes a row, or 96 and a scale of 4.
    expect(pagesOf("e4m3") / pagesOf("bf16")).toBeCloseTo(192 / 100, 1);
  });

  it("gives a text in pages the logits that it has alone", () => {
    const model = load({ dtype: "f32", cacheDtype: "e4m3" });
    const paged = model.newPagedCache({ pages: 20, pageSize: 4 });
    const [sequence, other] = [paged.join(), paged.join()];
    model.forward(
      paged.step([
        { sequence: other, ids: [1, 2, 3] },
        { sequence, ids: ids.slice(0, 30) },
      ]),
    );
    const rows = ids.slice(30).map((id) => model.forward(paged.step([{ sequence, ids: [id] }])).toNumbers());
    expect([...(rows.at(-1) as Float64Array)]).toEqual(logits({ dtype: "f32", cacheDtype: "e4m3" }));
  });

  it.each(["e4m3fnuz", "e5m2", "int8"])("refuses %s by name", (asked) => {
    expect(() => load({ cacheDtype: asked as CacheDtype })).toThrow(
      expect.objectContaining({
        code: "ERR_QKNORM_DTYPE",
        message: expect.stringMatching(`f32, bf16, f16, e4m3, got "${asked}"; e4m3 is the OCP's`),
      }),
    );
  });
});
