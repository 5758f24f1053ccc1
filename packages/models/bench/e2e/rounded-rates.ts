import type { NormRounding } from "@qknorm/core";
import { ContinuousBatch } from "../../src/index.ts";
import { decodeTurn, promptsOf, textTurn } from "./decoding.ts";
import type { Setting } from "./measurements.ts";
import { type Found, type RoundedRow, spreadOf } from "./results.ts";
import { syntheticModel } from "./synthetic-model.ts";

const TURNS = 4;
const CONTEXT = [128, 256] as const;
const PAGE = 16;

/** Decoding one text by each rounding, in a cache of its own and by itself in a batch, every token read; a first turn does not count. */
export async function roundedRates(setting: Setting): Promise<Found> {
  const rounded: RoundedRow[] = [];
  for (const rounding of ["once", "hf"] satisfies NormRounding[]) {
    using model = syntheticModel(setting.model, { ...setting, rounding });
    const [from, to] = CONTEXT;
    const prompts = promptsOf(1, from, model);
    using batch = new ContinuousBatch(model, {
      cache: { pages: to / PAGE + 1, pageSize: PAGE },
      ...{ maxSequences: 1, maxStepTokens: from },
    });
    const turns: Readonly<Record<RoundedRow["keys"], () => Promise<number>>> = {
      together: async () => textTurn(model, prompts[0] as number[], to - from),
      pages: async () => (await decodeTurn(batch, prompts, to - from)).stepMs as number,
    };
    for (const keys of ["together", "pages"] as const) {
      const us: number[] = [];
      for (let turn = 0; turn <= TURNS && !(turn > 1 && setting.timeIsUp()); turn++) {
        const ms = await turns[keys]();
        if (turn > 0) us.push(1000 * ms);
      }
      rounded.push({ model: setting.model, rounding, keys, context: CONTEXT, stepUs: spreadOf(us) });
    }
  }
  return { rounded };
}
