import { fileURLToPath } from "node:url";
import { setQkNormLogger } from "@qknorm/core";
import { liveBytes, openDevice } from "@qknorm/tensor";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { missing, notes, scripted } from "../../tensor/test/stand-in.ts";
import { type LoadOptions, loadModel } from "../src/families/load-model.ts";
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
});
