// The launch table is tuned in Python, with the scripts of bench/tuning; what they measured is what must be launched.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { configRanges, divider, launchShape, rangeOf, tunedDevices } from "../src/cuda/launch-config.ts";

const multiprocessors = 132;
const headDims = Array.from({ length: 128 }, (_, i) => 8 * (i + 1));
const heads = [1, 2, 5, 9, 10, 40, 72, 96];
const tokens = [1, 2, 3, 7, 16, 33, 100, 256, 511, 1024, 2048, 4097, 8192, 100_000, 500_000];
const cases = headDims.flatMap((headDim) =>
  [2, 4].flatMap((elementBytes) =>
    heads.flatMap((count) => tokens.map((many) => [headDim, count, many, elementBytes] as const)),
  ),
);

const program = `
import json, sys
from launch_table import choose, load_table
from qk_norm import divider, launch_shape
request = json.load(sys.stdin)
table = load_table(request["device"])
out = []
for head_dim, heads, tokens, size in request["cases"]:
    c = choose(table, head_dim, heads, tokens, size)
    out.append([c.lanes, c.rows, c.block, c.trigger, c.loop, c.waves, c.prefetch, c.radix, *launch_shape(c, heads, tokens, ${multiprocessors}), *divider(heads)])
json.dump(out, sys.stdout)
`;
const chosenInPython = (device: string) =>
  spawnSync("python3", ["-c", program], {
    cwd: fileURLToPath(new URL("../bench/tuning", import.meta.url)),
    input: JSON.stringify({ device, cases }),
    encoding: "utf8",
    maxBuffer: 2 ** 28,
  });
const missing = spawnSync("python3", ["-c", ""]).status === 0 ? "" : " (skipped: no python3)";

describe.skipIf(missing !== "")(`the launch configuration${missing}`, () => {
  it.each([...tunedDevices(), "A device that nobody tuned for"])(
    "is the one that was tuned, for every head dim, number of heads and tokens: %s",
    (device) => {
      const got = cases.map(([headDim, count, many, elementBytes]) => {
        const ranges = configRanges(headDim, elementBytes, `${device} of some size`);
        const { config } = ranges[rangeOf(ranges, headDim, count, many)]!;
        const { blocks, slices, trips } = launchShape(config, count, many, multiprocessors);
        const { lanes, rows, block, trigger, loop, waves, prefetch, radix } = config;
        const own = [lanes, rows, block, trigger, loop, waves, prefetch, radix];
        return [...own, blocks, slices, trips, ...divider(count)];
      });
      const { stdout, stderr } = chosenInPython(device);
      expect(stderr).toBe("");
      expect(got).toEqual(JSON.parse(stdout));
    },
  );
});

describe("the grid", () => {
  it("covers each token of each head once, whatever the configuration", () => {
    for (const headDim of [8, 64, 80, 128, 1024]) {
      for (const { config } of configRanges(headDim, 2, "NVIDIA H200")) {
        for (const many of [1, 5, 1000, 20_000]) {
          const { blocks, slices, trips } = launchShape(config, 10, many, multiprocessors);
          const groups = (blocks * config.block) / config.lanes;
          expect(groups, "a lane group for each head of each slice").toBeGreaterThanOrEqual(slices * 10);
          expect(slices * config.rows * (config.loop > 0 ? trips : 1)).toBeGreaterThanOrEqual(many);
        }
      }
    }
  });

  it("is refused where the kernel's 32 bits would not count its threads", () => {
    const { config } = configRanges(1024, 2, "NVIDIA H200")[0]!;
    expect(() => launchShape(config, 1000, 150_000, multiprocessors)).toThrow(/too many for one launch/);
    expect(launchShape(config, 1000, 130_000, multiprocessors).slices).toBe(130_000);
  });

  it("divides by multiplying", () => {
    for (const by of [1, 2, 3, 5, 9, 72, 1000, 65535, 2 * 65535]) {
      const [multiplier, shift] = divider(by);
      expect(multiplier).toBeLessThan(2 ** 32);
      for (const n of [0, 1, by - 1, by, by + 1, 123_456_789, 2 ** 31 - by, 2 ** 31 - 1]) {
        expect(Number((BigInt(n) * BigInt(multiplier)) >> BigInt(shift)), `${n} / ${by}`).toBe(
          Math.floor(n / by),
        );
      }
    }
  });
});
