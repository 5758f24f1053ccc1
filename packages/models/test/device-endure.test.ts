import { fileURLToPath } from "node:url";
import { setQkNormLogger } from "@qknorm/core";
import { liveBytes, openDevice } from "@qknorm/tensor";
import { beforeAll, describe, expect, it } from "vitest";
import { missing } from "../../tensor/test/stand-in.ts";
import { decodeInTurn, decodeTogether, growthOf, type Look } from "../bench/e2e/endurance.ts";
import { loadModel } from "../src/families/load-model.ts";

const folder = fileURLToPath(new URL("../golden/tiny-untied", import.meta.url));
const device = "cuda:0";
const setting = { tokens: 24, every: 4, length: 4 };

describe.skipIf(missing !== "")(`decoding for long on a device, on a stand-in driver${missing}`, () => {
  beforeAll(async () => {
    setQkNormLogger(null);
    await openDevice(device);
  });

  it("holds no more memory of the device after many texts than after some, one by one or in a batch", async () => {
    const before = liveBytes(device);
    using model = loadModel(folder, { dtype: "f32", device }).model;
    for (const looks of [
      await decodeInTurn(model, device, setting),
      await decodeTogether(model, device, { ...setting, together: 2 }),
    ]) {
      expect(looks.length).toBeGreaterThanOrEqual(6);
      expect(looks.at(-1)?.tokens).toBeGreaterThanOrEqual(setting.tokens);
      // A few tokens of a stand-in say nothing of the process.
      expect(growthOf(looks.map((look) => ({ ...look, rss: 0, external: 0 })))).toBeNull();
    }
    model.dispose();
    expect(liveBytes(device)).toBe(before);
  });
});

describe("memory over time", () => {
  const look = (tokens: number, more: Partial<Look> = {}): Look => ({
    ...{ tokens, rss: 1e8, external: 1e6, live: 5e6 },
    ...more,
  });

  it("is flat where it grew in the first half alone, and named where it goes on growing", () => {
    expect(growthOf([look(1, { live: 0, rss: 1e7 }), look(2), look(3), look(4)])).toBeNull();
    expect(growthOf([look(1), look(2), look(3), look(4, { live: 5e6 + 1 })])).toBe("live grew by 1 bytes");
    expect(growthOf([look(1), look(2), look(3), look(4, { rss: 1.2e8 })])).toBe("rss grew by 20000000 bytes");
    const peak = look(7, { external: 9e6 });
    expect(growthOf([look(1), look(2), look(3), look(4), look(5), look(6), peak, look(8)])).toBeNull();
    expect(growthOf([look(1)])).toBe("there are too few looks to tell");
  });
});
