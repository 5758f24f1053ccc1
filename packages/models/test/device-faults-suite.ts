// An index that went out of range on the device while texts are decoded: who reads is told, and everything goes on.
import { fileURLToPath } from "node:url";
import { type CudaDeviceName, Indices, liveBytes } from "@qknorm/tensor";
import { expect, it } from "vitest";
import { loadModel } from "../src/families/load-model.ts";
import { ContinuousBatch } from "../src/generation/continuous-batch.ts";
import { generateNow } from "../src/generation/generate.ts";

const folder = fileURLToPath(new URL("../golden/tiny-untied", import.meta.url));
const prompt = [5, 17, 9];
const spoilt = expect.objectContaining({
  code: "ERR_QKNORM_ARGUMENT",
  message: expect.stringMatching(/^row 99999 at \d+ is outside 0\.\.\d+: gatherRows on cuda:/),
});

/** The last token of every text, where it lies on the device. */
function spyOnIds(vocabSize: number): { spoil(): void; restore(): void } {
  const { onDevice } = Indices;
  let ids: Parameters<typeof onDevice>[0] | null = null;
  Indices.onDevice = (values, bound) => {
    if (bound === vocabSize) ids = values;
    return onDevice.call(Indices, values, bound);
  };
  return {
    spoil() {
      const { memory, offset } = ids as unknown as Parameters<typeof onDevice>[0];
      memory.backend.write(memory, 4 * offset, Int32Array.of(99_999));
    },
    restore() {
      Indices.onDevice = onDevice;
    },
  };
}

export function deviceFaultsSuite(device: CudaDeviceName): void {
  const load = () => loadModel(folder, { device }).model;

  it("ends a text whose token is none of the vocabulary's, frees what it had, and decodes the next", () => {
    const before = liveBytes(device);
    const model = load();
    const spy = spyOnIds(model.vocabSize);
    try {
      const expected = [...generateNow(model, prompt, { maxTokens: 12 })];
      const loaded = liveBytes(device);
      const heard: number[] = [];
      expect(() => {
        for (const id of generateNow(model, prompt, { maxTokens: 12 })) {
          heard.push(id);
          if (heard.length === 4) spy.spoil();
        }
      }).toThrow(spoilt);
      expect(heard).toEqual(expected.slice(0, heard.length));
      expect([heard.length >= 4, heard.length < 12, liveBytes(device)]).toEqual([true, true, loaded]);
      expect([...generateNow(model, prompt, { maxTokens: 12 })]).toEqual(expected);
    } finally {
      spy.restore();
      model.dispose();
    }
    expect(liveBytes(device)).toBe(before);
  });

  it("ends the texts of a batch alike, which then takes others", async () => {
    const before = liveBytes(device);
    const model = load();
    const batch = new ContinuousBatch(model, { cache: { pages: 32, pageSize: 16 } });
    const spy = spyOnIds(model.vocabSize);
    const answer = async (text: readonly number[], heardFour: () => void): Promise<number[]> => {
      const ids: number[] = [];
      for await (const id of batch.generate(text, { maxTokens: 12 })) if (ids.push(id) === 4) heardFour();
      return ids;
    };
    try {
      const expected = await answer(prompt, () => {});
      const both = await Promise.allSettled([answer(prompt, () => spy.spoil()), answer([7, 2], () => {})]);
      expect(both).toEqual([
        { status: "rejected", reason: spoilt },
        { status: "rejected", reason: spoilt },
      ]);
      expect([batch.running, batch.waiting, batch.pages.free]).toEqual([0, 0, 32]);
      expect(await answer(prompt, () => {})).toEqual(expected);
    } finally {
      spy.restore();
      batch.dispose();
      model.dispose();
    }
    expect(liveBytes(device)).toBe(before);
  });
}
