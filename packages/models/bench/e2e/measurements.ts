import type { QkNormOptions } from "@qknorm/core";
import type { Device, FloatDtype } from "@qknorm/tensor";
import { CudaStream } from "../../../../native/src/index.ts";
import { type CausalLm, nextStep } from "../../src/index.ts";
import { decodeTurn, promptOf } from "./decoding.ts";
import { OpCosts } from "./op-costs.ts";
import { type Found, type Path, spreadOf } from "./results.ts";
import type { ModelName } from "./shapes.ts";
import { syntheticModel } from "./synthetic-model.ts";

/** What a part measures, where, and how long it may. */
export interface Setting {
  readonly device: Device;
  readonly dtype: FloatDtype;
  readonly model: ModelName;
  /** Nothing new is begun then. */
  readonly timeIsUp: () => boolean;
}

const TURNS = 5;
const CONTEXT = [128, 256] as const;
const PREFILL = 4096;

/** Decoding one sequence, all paths in turn. */
export function decodeRates(setting: Setting): Found {
  const [from, to] = CONTEXT;
  const stepUs = inTurns(setting, (model) => {
    const { stepMs = 0 } = decodeTurn(model, promptOf(from, model.vocabSize), to - from);
    return 1000 * stepMs;
  });
  return {
    decode: stepUs.map(([path, us]) => ({
      ...{ model: setting.model, batch: 1, path, context: CONTEXT, stepUs: spreadOf(us) },
    })),
  };
}

/** A prompt of 4,096 tokens, until the first token after it is there. */
export function prefillRates(setting: Setting): Found {
  const ms = inTurns(setting, (model) => {
    return decodeTurn(model, promptOf(PREFILL, model.vocabSize), 0).prefillMs;
  });
  return {
    prefill: ms.map(([path, times]) => ({
      ...{ model: setting.model, tokens: PREFILL, path, ms: spreadOf(times) },
    })),
  };
}

/** Where the microseconds of a decode step go, path by path. */
export function decodeCosts(setting: Setting): Found {
  const costs = pathsOn(setting.device).flatMap(([path, qkNorm]) => {
    if (setting.timeIsUp()) return [];
    const model = syntheticModel(setting.model, { ...setting, qkNorm });
    const weights = [...model.parameters()].map(([, parameter]) => parameter);
    const cache = model.newCache();
    using costs = new OpCosts(setting.device, weights);
    // One more than a power of two, so that the cache does not grow in the step that is looked at.
    model.forward(nextStep(promptOf(CONTEXT[0] + 1, model.vocabSize), cache));
    model.forward(nextStep([1], cache));
    const found = costs.of(() => model.forward(nextStep([1], cache)));
    cache.dispose();
    for (const weight of weights) weight.dispose();
    return found.map((cost) => ({ model: setting.model, path, ...cost }));
  });
  return { costs };
}

/** A first turn that does not count, then all paths in turn while there is time; what they took, path by path. */
function inTurns(setting: Setting, turn: (model: CausalLm) => number): [Path, number[]][] {
  const models = pathsOn(setting.device).map(
    ([path, qkNorm]) => [path, syntheticModel(setting.model, { ...setting, qkNorm })] as const,
  );
  for (const [, model] of models) turn(model);
  const taken = models.map(([path]): [Path, number[]] => [path, []]);
  for (let i = 0; i < TURNS && !(i > 0 && setting.timeIsUp()); i++) {
    for (const [at, [, model]] of models.entries()) taken[at]?.[1].push(turn(model));
  }
  return taken;
}

function pathsOn(device: Device): [Path, QkNormOptions][] {
  if (device === "cpu") {
    return [
      ["fallback", { path: "fallback" }],
      ["fused", { path: "auto" }],
    ];
  }
  const altStream = new CudaStream(Number(device.slice("cuda:".length)));
  return [
    ["fallback", { path: "fallback", altStream }],
    ["fused", { path: "auto" }],
  ];
}
