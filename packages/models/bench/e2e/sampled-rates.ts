import { ContinuousBatch, createSampler, type Sampler, type SamplingOptions } from "../../src/index.ts";
import { decodeTurn, promptsOf, textTurn } from "./decoding.ts";
import type { Setting } from "./measurements.ts";
import { type Found, type SampledRow, spreadOf } from "./results.ts";
import { syntheticModel } from "./synthetic-model.ts";

const TURNS = 5;
const CONTEXT = [128, 256] as const;
const PAGE = 16;

/** Likeliest tokens; draws as Qwen3's makers want them; and those with penalties. */
const draws: Readonly<Record<SampledRow["drawn"], SamplingOptions>> = {
  likeliest: {},
  drawn: { temperature: 0.6, topK: 20, topP: 0.95 },
  penalized: { temperature: 0.6, topK: 20, topP: 0.95, presencePenalty: 1, repetitionPenalty: 1.05 },
};

/** Decoding texts whose tokens are drawn beside those of likeliest ones, all in turn on one model; a first turn does not count. */
export async function sampledRates(setting: Setting, counts: readonly number[]): Promise<Found> {
  using model = syntheticModel(setting.model, setting);
  const [from, to] = CONTEXT;
  const sampled: SampledRow[] = [];
  for (const count of counts) {
    const prompts = promptsOf(count, from, model);
    using batch = new ContinuousBatch(model, {
      cache: { pages: count * (to / PAGE + 1), pageSize: PAGE },
      ...{ maxSequences: count, maxStepTokens: count * from },
    });
    const stepMs = async (sample: () => Sampler): Promise<number> => {
      if (count === 1) return textTurn(model, prompts[0] as number[], to - from, sample());
      return (await decodeTurn(batch, prompts, to - from, sample)).stepMs as number;
    };
    const taken = Object.entries(draws).map(([drawn, options]) => ({
      ...{ drawn: drawn as SampledRow["drawn"], options, us: [] as number[] },
    }));
    for (let turn = 0; turn <= TURNS && !(turn > 1 && setting.timeIsUp()); turn++) {
      for (const { options, us } of taken) {
        const ms = await stepMs(() => createSampler({ ...options, seed: turn }));
        if (turn > 0) us.push(1000 * ms);
      }
    }
    sampled.push(
      ...taken.map(({ drawn, us }) => ({
        ...{ model: setting.model, batch: count, drawn, context: CONTEXT, stepUs: spreadOf(us) },
      })),
    );
  }
  return { sampled };
}
