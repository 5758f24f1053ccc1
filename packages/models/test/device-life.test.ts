import { fileURLToPath } from "node:url";
import { setQkNormLogger } from "@qknorm/core";
import { liveBytes, openDevice } from "@qknorm/tensor";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { setCudaBudget } from "../../../native/src/index.ts";
import { missing, notes, scripted } from "../../tensor/test/stand-in.ts";
import { type LoadOptions, loadModel } from "../src/families/load-model.ts";
import { ContinuousBatch } from "../src/generation/continuous-batch.ts";
import { generateNow } from "../src/generation/generate.ts";
import { deviceFaultsSuite } from "./device-faults-suite.ts";
import { deviceLifeSuite } from "./device-life-suite.ts";
import { twoDevicesSuite } from "./two-devices-suite.ts";

const folder = fileURLToPath(new URL("../golden/tiny-untied", import.meta.url));
const load = (options: LoadOptions) => loadModel(folder, options).model;

describe.skipIf(missing !== "")(`the life of a model on a device, on a stand-in driver${missing}`, () => {
  beforeAll(async () => {
    setQkNormLogger(null);
    for (const device of ["cuda:0", "cuda:1"] as const) await openDevice(device);
  });
  beforeEach(() => {
    scripted();
    notes();
  });
  afterEach(() => {
    scripted();
    expect(notes().filter((note) => /^dead|in a graph|of nothing/.test(note))).toEqual([]);
  });
  deviceLifeSuite("cuda:0");
  deviceFaultsSuite("cuda:0");
  twoDevicesSuite();

  it("refuses a model that does not fit before anything is made of it, with what it needs and what is free", () => {
    const elements = [...load({}).parameters()].reduce((sum, [, { size }]) => sum + size, 0);
    const before = liveBytes("cuda:0");
    scripted({ free: 4 * elements - 1 });
    const seen: unknown[] = [];
    expect(() => load({ dtype: "f32", device: "cuda:0", onProgress: (at) => seen.push(at) })).toThrow(
      expect.objectContaining({
        code: "ERR_CUDA",
        message: expect.stringMatching(
          `needs ${4 * elements} bytes for its weights in f32, and cuda:0 has ${4 * elements - 1} free`,
        ),
      }),
    );
    expect([seen, liveBytes("cuda:0")]).toEqual([[], before]);
    scripted({ free: 4 * elements });
    load({ dtype: "f32", device: "cuda:0" }).dispose();
  });

  it("frees what was made when memory is out in the middle, says how much was needed and free, and goes on", () => {
    const before = liveBytes("cuda:0");
    const options = { dtype: "bf16", device: "cuda:0" } as const;
    const onProgress = (): void => scripted({ cuMemAllocAsync: 2 });
    expect(() => load({ ...options, onProgress })).toThrow(
      expect.objectContaining({
        code: "ERR_CUDA",
        message: expect.stringMatching(
          /cannot allocate .* bytes on cuda:0, where 536870912 are free and \d+ are in use/,
        ),
      }),
    );
    scripted();
    expect(liveBytes("cuda:0")).toBe(before);
    load(options).dispose();
  });

  it.each([
    ["a launch", "cuLaunchKernelEx", 0],
    ["a replay", "cuGraphLaunch", 2],
    ["waiting for a token", "cuEventSynchronize", 2],
  ])("tells a device that is lost at %s by a typed error, and the CPU goes on", (_, api, tokens) => {
    const before = liveBytes("cuda:0");
    const there = load({ dtype: "f32", device: "cuda:0" });
    const text = generateNow(there, [5, 17, 9], { maxTokens: 16 });
    for (let i = 0; i < tokens; i++) text.next();
    scripted({ [api]: 700 });
    expect(() => [...text]).toThrow(
      expect.objectContaining({ code: "ERR_CUDA", message: expect.stringContaining(`${api} failed`) }),
    );
    expect([...generateNow(load({}), [5, 17, 9], { maxTokens: 3 })]).toHaveLength(3);
    there.dispose();
    scripted();
    expect(liveBytes("cuda:0")).toBe(before);
  });

  it.each([
    ["a replay", "cuGraphLaunch"],
    ["waiting for tokens", "cuEventSynchronize"],
    ["a copy", "cuMemcpyDtoHAsync"],
  ])(
    "ends all texts of a batch whose device is lost at %s, by a typed error; others are told at once",
    async (_, api) => {
      const before = liveBytes("cuda:0");
      const there = load({ dtype: "f32", device: "cuda:0" });
      const batch = new ContinuousBatch(there, { cache: { pages: 16 } });
      const answer = async (text: readonly number[], atThird = (): void => {}): Promise<number> => {
        let heard = 0;
        for await (const _ of batch.generate(text, { maxTokens: 40 })) if (++heard === 3) atThird();
        return heard;
      };
      const lost = { status: "rejected", reason: expect.objectContaining({ code: "ERR_CUDA" }) };
      const lose = (): void => scripted({ cuLaunchKernelEx: 700, [api]: 700 });
      expect(await Promise.allSettled([answer([5, 17, 9], lose), answer([7, 2])])).toEqual([lost, lost]);
      expect(await Promise.allSettled([answer([3])])).toEqual([lost]);
      expect([batch.running, batch.waiting, batch.pages.free]).toEqual([0, 0, 16]);
      batch.dispose();
      there.dispose();
      scripted();
      expect(liveBytes("cuda:0")).toBe(before);
    },
  );

  it("leaves no cache behind a batch that has no memory for what its steps need", () => {
    const there = load({ dtype: "f32", device: "cuda:0" });
    const cache = { pages: 16 };
    const before = liveBytes("cuda:0");
    const whole = new ContinuousBatch(there, { cache });
    const needed = liveBytes("cuda:0") - before;
    whole.dispose();
    setCudaBudget(0, before + needed - 1);
    try {
      expect(() => new ContinuousBatch(there, { cache })).toThrow(
        expect.objectContaining({ code: "ERR_CUDA", message: expect.stringContaining("do not fit") }),
      );
      expect(liveBytes("cuda:0")).toBe(before);
    } finally {
      setCudaBudget(0, 0);
    }
    new ContinuousBatch(there, { cache }).dispose();
    there.dispose();
  });
});
