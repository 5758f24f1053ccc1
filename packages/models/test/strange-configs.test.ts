// What every family's classes are made of, with values that no type would let through: the whole config, the options, and each field of
// a config that its parser made.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { Tensor } from "@qknorm/tensor";
import { describe, expect, it } from "vitest";
import { type Loose, outcome, spoilt } from "../../tensor/test/strange-arguments.ts";

const families = new URL("../src/families/", import.meta.url);
const goldens = new URL("../golden/", import.meta.url);
const options = { weightDtype: "f32", rounding: "hf", dtype: "f32" };
const isAnswer = (end: unknown) => /^(taken|its own|ERR_[A-Z_]+)$/.test(String(end));

interface Made {
  forward: Loose;
  dispose(): void;
}
type Class = new (config: unknown, options: unknown) => Made;

const names = readdirSync(families).filter((name) => existsSync(new URL(`${name}/model.ts`, families)));

/** The config of the family's first golden file; where a block of diffusers is made by arguments, those. */
function goldenConfig(family: string): { readonly class?: string; readonly prefix?: string } {
  const folder = new URL(`${family === "qwen3" ? "tiny-untied" : family}/`, goldens);
  const paths = readdirSync(folder, { recursive: true, encoding: "utf8" });
  const path = paths.find((name) => name.endsWith("config.json")) as string;
  return JSON.parse(readFileSync(new URL(path, folder), "utf8")) as ReturnType<typeof goldenConfig>;
}

/** The classes of a family, and a config for them. */
async function parts(family: string): Promise<{ classes: readonly Class[]; config: unknown }> {
  const exported = Object.values((await import(new URL(`${family}/model.ts`, families).href)) as object);
  const isClass = (value: unknown): value is Class => /^class\b/.test(String(value));
  const parse = exported.find((value) => typeof value === "function" && !isClass(value)) as Loose;
  const { class: _, prefix: __, ...raw } = goldenConfig(family);
  return { classes: exported.filter(isClass), config: parse(raw) };
}

describe.each(names)("%s", (family) => {
  it("makes nothing of what is no config or no options, and says so by an error with a code", async () => {
    const { classes, config } = await parts(family);
    for (const Kind of classes) {
      const make: Loose = (...args) => new Kind(args[0], args[1]).dispose();
      for (const none of [undefined, null, 0, "x", {}, []]) {
        expect([Kind.name, none, outcome(make, [none, options])]).toEqual([
          Kind.name,
          none,
          expect.stringMatching(/^ERR_/),
        ]);
      }
      const others = [...spoilt([config, options])].map(
        ([place, args]) => [place, outcome(make, args)] as const,
      );
      expect(
        others
          .filter(([, end]) => !isAnswer(end))
          .map(([place, end]) => [Kind.name, place, String((end as Error).stack)]),
      ).toEqual([]);
    }
  });

  it("runs on nothing that is no input, in a layer made alone or a model", async () => {
    const { classes, config } = await parts(family);
    for (const Kind of classes) {
      const wanted = /DeltaNet$/.test(Kind.name) ? (config as { delta: unknown }).delta : config;
      const made = new Kind(wanted, options);
      const inputs = [undefined, null, 0, "x", {}, [], Tensor.zeros([1, 1])];
      for (const [first, second] of inputs.flatMap((a) => inputs.map((b) => [a, b] as const))) {
        expect([Kind.name, outcome(made.forward.bind(made), [first, second])]).toEqual([
          Kind.name,
          expect.stringMatching(/^ERR_/),
        ]);
      }
      made.dispose();
    }
  });
});
