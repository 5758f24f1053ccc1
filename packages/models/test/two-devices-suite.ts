// Models on two devices of one machine.
import { fileURLToPath } from "node:url";
import { liveBytes, tidy } from "@qknorm/tensor";
import { expect, it } from "vitest";
import { loadModel } from "../src/families/load-model.ts";
import { generateNow } from "../src/generation/generate.ts";
import { nextStep } from "../src/layers/sequence-step.ts";

const folder = fileURLToPath(new URL("../golden/tiny-untied", import.meta.url));
const prompt = [5, 17, 9];

export function twoDevicesSuite(): void {
  it("gives one text on both, in turns, keeps what is of one from the other, and leaves nothing on either", () => {
    const devices = ["cuda:0", "cuda:1"] as const;
    const before = devices.map(liveBytes);
    const models = devices.map((device) => loadModel(folder, { dtype: "f32", device }).model);
    const texts = models.map((model) => generateNow(model, prompt, { maxTokens: 8 }));
    const here = [...generateNow(loadModel(folder, { dtype: "f32" }).model, prompt, { maxTokens: 8 })];
    for (const id of here) expect(texts.map((text) => text.next().value)).toEqual([id, id]);
    for (const text of texts) expect(text.next().done).toBe(true);
    const [first, second] = models as [(typeof models)[0], (typeof models)[0]];
    const cache = first.newCache();
    expect(() => tidy(() => second.forward(nextStep(prompt, cache)))).toThrow(
      expect.objectContaining({ code: "ERR_QKNORM_DEVICE" }),
    );
    for (const held of [cache, first, second]) held.dispose();
    expect(devices.map(liveBytes)).toEqual(before);
  });
}
