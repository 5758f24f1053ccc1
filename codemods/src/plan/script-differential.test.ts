import { expect, test } from "vitest";
import { untimed, withinProcessorTime } from "../../test/processor-time.ts";
import { aliasCase } from "../../test/script-aliases.ts";
import { planScript } from "../../test/script-cases.ts";
import { scriptOutputs } from "../../test/script-run.ts";

/** How many cases; `FUZZ_CASES=10000` for a long run. */
const cases = Number(process.env.FUZZ_CASES ?? 300);

test("whoever keeps q or k sees what he saw before, or the copy stays", untimed, () => {
  const seeds = Array.from({ length: cases }, (_, seed) => seed);
  const outcomes = (seed: number) => {
    const { text, traits } = aliasCase(seed);
    const { after } = planScript(text);
    return after === undefined
      ? []
      : [{ name: `seed ${seed}: ${traits.join(", ")}`, outputs: [text, after].map(scriptOutputs) }];
  };
  const changed = withinProcessorTime(cases, () => seeds.flatMap(outcomes));
  const isWrong = ([before, after]: readonly unknown[]) => JSON.stringify(before) !== JSON.stringify(after);
  expect(changed.filter(({ outputs }) => isWrong(outputs)).map(({ name }) => name)).toEqual([]);
  // A case that throws would prove nothing.
  expect(changed.filter(({ outputs: [before] }) => typeof before![0] !== "number")).toEqual([]);
  expect(changed.length).toBeGreaterThan(cases / 2);
});
