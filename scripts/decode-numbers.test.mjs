import { expect, it } from "vitest";
import { decodeLadder, decodeRates } from "./decode-numbers.mjs";

it("has a row for each change, and nothing where nothing was measured", () => {
  const steps = [{ step: "one", us: [1000, null], why: "so" }];
  expect(decodeLadder({ device: "a device", steps }).split("\n")).toEqual([
    "| step | Qwen3-0.6B, us a token | Qwen3-8B, us a token | what the clocks of an a device said |",
    "| --- | --- | --- | --- |",
    "| one | 1,000 |  | so |",
    "",
  ]);
});

it("gives the rate of one text whose tokens are read, beside its weights' at the rate of a copy and beside transformers", () => {
  const models = ["qwen3-0.6b", "qwen3-8b"];
  const rows = (model) => [
    { model, path: "fused", batch: 1, stepUs: { median: 9 } },
    { model, path: "chain", batch: 64, stepUs: { median: 9 } },
    { model, path: "chain", batch: 1, stepUs: { median: 9 }, queued: true },
    { model, path: "chain", batch: 1, stepUs: { median: 500 } },
  ];
  const text = decodeRates({
    device: "a device",
    copyTBs: 4,
    decode: models.flatMap(rows),
    torch: models.map((model) => ({ model, what: "decode", batch: 1, us: { median: 2000 } })),
    costs: models.flatMap((model) => [
      { model, path: "chain", weightBytes: 4e8 },
      { model, path: "chain", batch: 1, weightBytes: 6e8 },
      { model, path: "chain", batch: 64, weightBytes: 9e8 },
      { model, path: "chain" },
      { model, path: "fused", weightBytes: 9e8 },
    ]),
  });
  expect(text).toMatch(
    /Qwen3-0.6B 2000 tokens a second, 50 % of .* 4\.0 times transformers .*; Qwen3-8B 2000/,
  );
});
