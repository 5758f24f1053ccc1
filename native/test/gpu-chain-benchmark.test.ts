// What the benchmark of the chain computes without a GPU: its numbers check, its verdicts, its launch table.
import { describe, expect, it } from "vitest";
import { chainCandidates, type Tuned, tableOf } from "../gpu/bench/chain-candidates.ts";
import { checkChain } from "../gpu/bench/chain-check.ts";
import { ChainContenders } from "../gpu/bench/chain-contenders.ts";
import { chainRows, leastBytes } from "../gpu/bench/chain-rows.ts";
import { chainSummary, ratioOf } from "../gpu/bench/chain-summary.ts";
import { nameOf } from "../gpu/tests/launch-configs.ts";
import { CudaStream, Jit, type LaunchConfig } from "../src/index.ts";
import { missing, scripted } from "./cuda-fake.ts";

const us = { chain: 2, chainE4m3: 2, normRope: 3, normThenRopeStore: 5, normRopeThenCopies: 6, normAlone: 1 };

describe("the benchmark of the chain", () => {
  it("compares with the fastest of the three designs, and says of each goal whether it is met", () => {
    expect(ratioOf(us)).toBe(1.5);
    const floors = { copyTBs: 4.2, emptyUs: 0.4, emptyAloneUs: 0.5, waitUs: 0.5 };
    const rows = chainRows.map((row) => ({ ...row, us }));
    const text = chainSummary({ device: "GPU", date: "", commit: "", ...floors, rows });
    expect(text).toMatch(/^met {4}worst row, times the best of three designs: 1\.500 \(>= 1\)$/m);
    expect(text).toMatch(/^MISSED geometric mean: 1\.500 \(>= 2\)$/m);
    expect(text).toMatch(/^MISSED one token, us: 2\.000 \(<= 0\.85\)$/m);
    expect(text).toMatch(/^64\/8 x 8192 .* 83\.9$/m);
  });

  it("counts the bytes that must move: q, k, v and both rows of the cache", () => {
    expect(leastBytes({ queryHeads: 64, kvHeads: 8, tokens: 8192 })).toBe(352321536);
  });

  it("makes few ranges of the tuned rows, each with a configuration that is near the best of all its rows", () => {
    const [slow, fast, other] = chainCandidates(chainRows[0] as (typeof chainRows)[0]) as LaunchConfig[];
    const configs = new Map(
      [slow, fast, other].map((config) => [nameOf(config as LaunchConfig), config as LaunchConfig]),
    );
    const [a, b, c] = [...configs.keys()] as [string, string, string];
    const tuned: Tuned[] = chainRows.slice(0, 6).map((row, i) => ({
      row,
      us: i < 4 ? { [a]: 3, [b]: 1, [c]: 1.01 } : { [a]: 1, [b]: 2, [c]: 3 },
    }));
    const ranges = tableOf(tuned, configs);
    expect(ranges.map(({ chunksBelow }) => chunksBelow)).toEqual([524288, null]);
    expect(ranges[0]).toMatchObject({ block: fast?.block, trigger: fast?.trigger });
    expect(ranges[1]).toMatchObject({ block: slow?.block, trigger: slow?.trigger });
  });
});

describe.skipIf(missing !== "")(`its designs on a stand-in device${missing}`, () => {
  it("all compute norm, RoPE and cache write by the formulas", () => {
    scripted();
    const jit = new Jit({ folder: null, seeds: [], shipped: null });
    using stream = new CudaStream(0);
    const contenders = new ChainContenders(stream, jit, { queryHeads: 16, kvHeads: 8, tokens: 48 });
    expect(() => checkChain(contenders, stream)).not.toThrow();
    contenders.slots.fill(0);
    expect(() => checkChain(contenders, stream)).toThrow(/the cache of k/);
    contenders.free();
    scripted();
  });
});
