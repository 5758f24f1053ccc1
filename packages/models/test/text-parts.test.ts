import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setQkNormLogger } from "@qknorm/core";
import { useKernels } from "@qknorm/tensor";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { openSafetensors } from "../src/checkpoint/safetensors.ts";
import { loadModel } from "../src/families/load-model.ts";
import { nextStep } from "../src/layers/sequence-step.ts";
import { availableKernels } from "./available-kernels.ts";
import { type WrittenTensor, writeSafetensors } from "./write-safetensors.ts";

// Models that take pictures too, as transformers publishes them around the text of a family's golden variant:
// oracle/families/text_parts.py held their logits to the variant's.

interface TextPart {
  readonly variant: string;
  readonly config: { readonly model_type: string } & Readonly<Record<string, unknown>>;
  /** The variant's tensor of each name, or the shape of one that sees. */
  readonly tensors: Readonly<Record<string, string | readonly number[]>>;
}

const golden = join(import.meta.dirname, "../golden");
const { models } = JSON.parse(readFileSync(join(golden, "text-parts.json"), "utf8")) as {
  models: readonly TextPart[];
};
const gemma3 = models.find(({ config }) => config.model_type === "gemma3") as TextPart;

let dir: string;
beforeAll(() => {
  setQkNormLogger(null);
});
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "text-part-"));
});
afterEach(() => {
  useKernels("auto");
  rmSync(dir, { recursive: true });
});

it("the configs say nothing of the machine that they were made on", () => {
  const paths = models
    .map((part) => JSON.stringify(part.config))
    .filter((text) => /"[/~][\w.-]+\//.test(text));
  expect(paths).toEqual([]);
});

describe.each(availableKernels())("on %s kernels", (kernels) => {
  it.each(models.map((part) => [part.config.model_type, Object.keys(part.tensors)[0], part] as const))(
    "the text part of %s (%s, ...) has the logits of transformers",
    (_, __, part) => {
      useKernels(kernels);
      publish(part);
      const { model, warnings } = loadModel(dir, { dtype: "f32" });
      const file = openSafetensors(join(golden, part.variant, "golden.safetensors"));
      const [ids, theirs] = [file.read("ids") as Int32Array, file.read("logits") as Float32Array];
      file.close();
      const ours = model.forward(nextStep(ids, model.newCache()), "all").toNumbers();
      expect(ours.length).toBe(theirs.length);
      expect(Math.max(...ours.map((value, i) => Math.abs(value - (theirs[i] as number))))).toBeLessThan(1e-4);
      expect(warnings).toEqual([
        expect.stringMatching(/^only the text part is loaded; left out: .*(vision|visual)/),
      ]);
    },
  );
});

it("a head that the config ties by default is looked for in the embedding", () => {
  const { tie_word_embeddings: _, ...config } = gemma3.config;
  publish({ ...gemma3, config });
  expect(() => loadModel(dir)).not.toThrow();
  publish({ ...gemma3, config: { ...gemma3.config, tie_word_embeddings: false } });
  expect(() => loadModel(dir)).toThrow("lacks lm_head.weight");
});

it.each([
  ["no text_config", { text_config: undefined }, "text_config must be an object, got undefined"],
  [
    "a text part of a family that is not here",
    { text_config: { ...(gemma3.config.text_config as object), model_type: "cohere2" } },
    'model_type "cohere2" is not supported',
  ],
  ["itself as its text", { text_config: gemma3.config }, 'model_type "gemma3" is not supported'],
])("a config with %s is refused by name", (_, changes, message) => {
  publish({ ...gemma3, config: { ...gemma3.config, ...changes } });
  expect(() => loadModel(dir)).toThrow(expect.objectContaining({ code: "ERR_CHECKPOINT" }));
  expect(() => loadModel(dir)).toThrow(message);
});

it("a tensor of no known part is not left out in silence", () => {
  publish({ ...gemma3, tensors: { ...gemma3.tensors, "model.smell_tower.weight": [2] } });
  expect(() => loadModel(dir)).toThrow("model.smell_tower.weight");
});

function publish({ variant, config, tensors }: TextPart): void {
  writeFileSync(join(dir, "config.json"), JSON.stringify(config));
  const text = openSafetensors(join(golden, variant, "model.safetensors"));
  const written = Object.entries(tensors).map(([name, origin]): [string, WrittenTensor] => {
    if (typeof origin !== "string") {
      const data = new Uint16Array(origin.reduce((product, size) => product * size, 1));
      return [name, { dtype: "BF16", shape: origin, data }];
    }
    const { dtype, shape } = text.info(origin);
    return [name, { dtype, shape, data: text.read(origin) }];
  });
  text.close();
  writeSafetensors(join(dir, "model.safetensors"), Object.fromEntries(written));
}
