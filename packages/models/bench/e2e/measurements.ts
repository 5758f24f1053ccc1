import type { NormRounding } from "@qknorm/core";
import { convert, type Device, type FloatDtype, likeliest, Tensor, tidy } from "@qknorm/tensor";
import { CudaStream } from "../../../../native/src/index.ts";
import { DecodeGraphs } from "../../src/generation/decode-graphs.ts";
import {
  type CausalLm,
  ContinuousBatch,
  type ContinuousBatchOptions,
  generateNow,
  type ModelOptions,
  nextStep,
} from "../../src/index.ts";
import { decodeTurn, promptsOf, textTurn } from "./decoding.ts";
import { type HostShare, hostShare } from "./host-share.ts";
import { type OpCost, OpCosts } from "./op-costs.ts";
import { type Found, type Path, spreadOf } from "./results.ts";
import type { ModelName } from "./shapes.ts";
import { syntheticModel } from "./synthetic-model.ts";

/** What a part measures, where, and how long it may. */
export interface Setting {
  readonly device: Device;
  readonly dtype: FloatDtype;
  readonly rounding: NormRounding;
  readonly model: ModelName;
  /** Nothing new is begun then. */
  readonly timeIsUp: () => boolean;
}

const TURNS = 5;
const CONTEXT = [128, 256] as const;
const PREFILL = 4096;
const PAGE = 16;

/** Decoding one text by itself, all paths in turn. */
export async function textRates(setting: Setting): Promise<Found> {
  const [from, to] = CONTEXT;
  const stepUs = await inTurns(setting, { cache: { pages: 1 }, maxSequences: 1 }, async (_, model) => {
    const [prompt = []] = promptsOf(1, from, model);
    return 1000 * textTurn(model, prompt, to - from);
  });
  return {
    decode: stepUs.map(([path, us]) => ({
      ...{ model: setting.model, batch: 1, path, context: CONTEXT, stepUs: spreadOf(us) },
    })),
  };
}

/** Decoding many texts at once, all paths in turn. */
export async function batchRates(setting: Setting, count: number): Promise<Found> {
  const [from, to] = CONTEXT;
  const limits = { maxSequences: count, maxStepTokens: count * from };
  const cache = { pages: count * (to / PAGE + 1), pageSize: PAGE };
  const stepUs = await inTurns(setting, { cache, ...limits }, async (batch, model) => {
    const { stepMs = 0 } = await decodeTurn(batch, promptsOf(count, from, model), to - from);
    return 1000 * stepMs;
  });
  return {
    decode: stepUs.map(([path, us]) => ({
      ...{ model: setting.model, batch: count, path, context: CONTEXT, stepUs: spreadOf(us) },
    })),
  };
}

/**
 * Steps queued one after the other, nothing read between: what the device takes, and what the host does for each. At the
 * context where decoding begins.
 */
export function stepRates(setting: Setting, counts: readonly number[] = [1]): Found {
  const most = Math.max(...counts);
  const decode = pathsOn(setting.device).flatMap(([path, options]) => {
    if (setting.timeIsUp()) return [];
    const model = syntheticModel(setting.model, { ...setting, ...options });
    const cache = model.newPagedCache({ pages: most * (CONTEXT[1] / PAGE), pageSize: PAGE });
    const graphs = DecodeGraphs.on(setting.device, model, cache, most);
    if (graphs === null) return [];
    const rows = counts.map((count) => {
      const texts = promptsOf(count, CONTEXT[0], model).map((ids) => ({ ids, sequence: cache.join() }));
      tidy(() => void model.forward(cache.step(texts)));
      const step = cache.step(texts.map(({ sequence }) => ({ ids: [1], sequence })));
      const turns = Array.from({ length: TURNS + 1 }, () => queuedSteps(() => graphs.logits(step))).slice(1);
      for (const { sequence } of texts) cache.leave(sequence);
      return {
        ...{ model: setting.model, batch: count, path, context: [CONTEXT[0], CONTEXT[0]] as const },
        stepUs: spreadOf(turns.map(({ us }) => us)),
        hostUs: spreadOf(turns.map(({ hostUs }) => hostUs)).median,
        queued: true as const,
      };
    });
    graphs.dispose();
    cache.dispose();
    model.dispose();
    return rows;
  });
  return { decode };
}

/** What the host does for each token of one text, beside waiting for it: the path that is taken by default. */
export async function hostShares(setting: Setting): Promise<Found> {
  const model = syntheticModel(setting.model, setting);
  const [from, to] = CONTEXT;
  const [prompt = []] = promptsOf(1, from, model);
  const shares: HostShare[] = [];
  for (let turn = 0; turn <= TURNS; turn++) {
    const steps = to - from;
    const text = generateNow(model, prompt, { maxTokens: steps + 8 });
    for (let i = 0; i < 8; i++) text.next();
    const share = await hostShare(steps, () => {
      for (let i = 0; i < steps; i++) text.next();
    });
    if (turn > 0) shares.push(share);
    text.return();
  }
  model.dispose();
  const middle = (what: keyof HostShare) => spreadOf(shares.map((share) => share[what])).median;
  return {
    host: [
      {
        ...{ model: setting.model, batch: 1, waitUs: middle("waitUs"), replayUs: middle("replayUs") },
        ownUs: spreadOf(shares.map(({ ownUs }) => ownUs)),
      },
    ],
  };
}

/** Microseconds a step, of the device and of the host that queues it. */
function queuedSteps(queue: () => Tensor): { readonly us: number; readonly hostUs: number } {
  const steps = 60;
  queue().readNow();
  const began = performance.now();
  for (let i = 0; i < steps - 1; i++) queue();
  const last = queue();
  const queued = performance.now();
  last.slice(0, 0, 1).readNow();
  return { us: (1000 * (performance.now() - began)) / steps, hostUs: (1000 * (queued - began)) / steps };
}

/** A prompt of 4,096 tokens, until the first token after it is there. */
export async function prefillRates(setting: Setting): Promise<Found> {
  const cache = { pages: PREFILL / PAGE + 1, pageSize: PAGE };
  const ms = await inTurns(setting, { cache, maxStepTokens: PREFILL }, async (batch, model) => {
    const { prefillMs } = await decodeTurn(batch, promptsOf(1, PREFILL, model), 0);
    return prefillMs;
  });
  return {
    prefill: ms.map(([path, times]) => ({
      ...{ model: setting.model, tokens: PREFILL, path, ms: spreadOf(times) },
    })),
  };
}

/** Where the microseconds of a decode step go, path by path: of one text, and of many from pages, whose choice is part of it. */
export function decodeCosts(setting: Setting, count = 1): Found {
  const costs = pathsOn(setting.device).flatMap(([path, options]) => {
    if (setting.timeIsUp()) return [];
    const model = syntheticModel(setting.model, { ...setting, ...options });
    const weights = [...model.parameters()].map(([, parameter]) => parameter);
    using costs = new OpCosts(setting.device, weights);
    const found = count === 1 ? textCosts(model, costs) : batchCosts(model, costs, setting.device, count);
    model.dispose();
    return found.map((cost) => ({ model: setting.model, path, batch: count, ...cost }));
  });
  return { costs };
}

function textCosts(model: CausalLm, costs: OpCosts): OpCost[] {
  const cache = model.newCache();
  // One more than a power of two, so that the cache does not grow in the step that is looked at.
  tidy(() => void model.forward(nextStep(promptsOf(1, CONTEXT[0] + 1, model)[0] as number[], cache)));
  tidy(() => void model.forward(nextStep([1], cache)));
  // What a pass has made stays until its ops have been timed.
  const found = tidy(() => costs.of(() => model.forward(nextStep([1], cache))));
  cache.dispose();
  return found;
}

function batchCosts(model: CausalLm, costs: OpCosts, device: Device, count: number): OpCost[] {
  const cache = model.newPagedCache({ pages: count * (CONTEXT[1] / PAGE), pageSize: PAGE });
  const texts = promptsOf(count, CONTEXT[0], model).map((ids) => ({ ids, sequence: cache.join() }));
  tidy(() => void model.forward(cache.step(texts)));
  const step = cache.step(texts.map(({ sequence }) => ({ ids: [1], sequence })));
  const [ids, positions, log] = ["ids", "positions", "log"].map(() =>
    Tensor.zeros([count, 1], "i32", device),
  ) as [Tensor, Tensor, Tensor];
  const pass = (): void => {
    const logits = convert(model.forward(step), "f32");
    likeliest(logits, { ids: ids.reshape([count]), positions: positions.reshape([count]), log });
  };
  tidy(pass);
  const found = tidy(() => costs.of(pass));
  for (const held of [cache, ids, positions, log]) held.dispose();
  return found;
}

/** A first turn that does not count, then all paths in turn while there is time; what they took, path by path. */
async function inTurns(
  setting: Setting,
  batching: ContinuousBatchOptions,
  turn: (batch: ContinuousBatch, model: CausalLm) => Promise<number>,
): Promise<[Path, number[]][]> {
  const contenders = pathsOn(setting.device).map(([path, options]) => {
    const model = syntheticModel(setting.model, { ...setting, ...options });
    return { path, model, batch: new ContinuousBatch(model, batching), taken: [] as number[] };
  });
  for (const { batch, model } of contenders) await turn(batch, model);
  for (let i = 0; i < TURNS && !(i > 0 && setting.timeIsUp()); i++) {
    for (const { batch, model, taken } of contenders) taken.push(await turn(batch, model));
  }
  return contenders.map(({ path, model, batch, taken }) => {
    batch.dispose();
    model.dispose();
    return [path, taken];
  });
}

/** The ways to run what stands between a projection and attention. */
function pathsOn(device: Device): [Path, Partial<Pick<ModelOptions, "qkNorm" | "chain">>][] {
  const altStream = device === "cpu" ? null : new CudaStream(Number(device.slice("cuda:".length)));
  return [
    ["fallback", { qkNorm: { path: "fallback", altStream }, chain: "apart" }],
    ["fused", { chain: "apart" }],
    ["chain", {}],
  ];
}
