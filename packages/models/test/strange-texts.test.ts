// Tokenizers, templates, files of weights, samplers and batches, with values that no type would let through in each place.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { type Loose, outcome, spoilt } from "../../tensor/test/strange-arguments.ts";
import {
  ContinuousBatch,
  createSampler,
  generate,
  JsonText,
  loadModel,
  loadTokenizer,
  openCheckpoint,
  openSafetensors,
  readGenerationConfig,
  TextEmbedder,
  TextStream,
} from "../src/index.ts";
import { ChatTemplate } from "../src/text/chat-template.ts";
import { Tokenizer } from "../src/text/tokenizer.ts";

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const sums = at("../../../checkpoints/qwen3-sums");
const { model } = loadModel(at("../golden/tiny-untied"));
const tokenizer = loadTokenizer(sums);
const file = openSafetensors(`${sums}/model.safetensors`);
const [name] = file.names as [string];
const template = new ChatTemplate("{{ messages[0].content }}");
const cache = { pages: 4, pageSize: 4 };

const method =
  (of: object, called: string): Loose =>
  (...args) =>
    (of as Record<string, Loose>)[called]?.call(of, ...args);
const made =
  (Kind: unknown): Loose =>
  (...args) =>
    new (Kind as new (...given: unknown[]) => unknown)(...args);

const calls: Record<string, readonly [Loose, ...unknown[]]> = {
  "tokenizer.encode": [method(tokenizer, "encode"), "1+1", { addSpecialTokens: false }],
  "tokenizer.decode": [method(tokenizer, "decode"), [1, 2], { skipSpecialTokens: true }],
  "tokenizer.token": [method(tokenizer, "token"), 1],
  "tokenizer.id": [method(tokenizer, "id"), "1"],
  "tokenizer.isOpenByte": [method(tokenizer, "isOpenByte"), 1],
  Tokenizer: [made(Tokenizer), JSON.parse(readFileSync(`${sums}/tokenizer.json`, "utf8")), {}, "a file"],
  TextStream: [made(TextStream), tokenizer, {}],
  "TextStream.push": [(id) => new TextStream(tokenizer).push(id as number), 1],
  ChatTemplate: [made(ChatTemplate), "{{ 1 }}", {}, "a file"],
  "template.renderChat": [
    method(template, "renderChat"),
    ...[[{ role: "user", content: "x" }], { addGenerationPrompt: true, enableThinking: true, variables: {} }],
  ],
  JsonText: [made(JsonText), "{}", "a text"],
  "file.info": [method(file, "info"), name],
  "file.has": [method(file, "has"), name],
  "file.read": [method(file, "read"), name, () => {}],
  "file.readInto": [method(file, "readInto"), name, new Uint8Array(file.info(name).bytes), () => {}],
  "file.pieces": [(wanted, onChunk) => [...file.pieces(wanted as string, onChunk as never)], name, () => {}],
  openSafetensors: [(path) => openSafetensors(path as string).close(), `${sums}/model.safetensors`],
  openCheckpoint: [
    (dir, options) => openCheckpoint(dir as string, options as never).close(),
    sums,
    { onProgress: () => {} },
  ],
  "a generation config's sampling": [method(readGenerationConfig(sums), "sampling"), { temperature: 1 }, 20],
  createSampler: [
    createSampler as Loose,
    {
      ...{
        temperature: 1,
        topK: 2,
        topP: 0.9,
        minP: 0.1,
        typicalP: 1,
        epsilonCutoff: 0,
        etaCutoff: 0,
        seed: 3,
      },
      ...{ repetitionPenalty: 1, presencePenalty: 0, frequencyPenalty: 0, badWordsIds: [[1, 2]] },
    },
  ],
  generate: [generate as Loose, model, [1], { maxTokens: 1, stopIds: [1], sample: () => 1 }],
  ContinuousBatch: [
    (of, options) => new ContinuousBatch(of as never, options as never).dispose(),
    ...[model, { cache, maxSequences: 2, maxStepTokens: 8 }],
  ],
  "batch.generate": [
    (prompt, options) => {
      using batch = new ContinuousBatch(model, { cache });
      batch.generate(prompt as never, options as never);
    },
    ...[[1], { maxTokens: 0, stopIds: [1] }],
  ],
  TextEmbedder: [made(TextEmbedder), model, "last"],
};

describe.each(Object.entries(calls))("%s", (_, [call, ...args]) => {
  it("answers any kind of value by an error with a code, or takes it", () => {
    expect(outcome(call, args)).toBe("taken");
    const others = [...spoilt(args)].map(([place, list]) => [place, outcome(call, list)] as const);
    expect(others.filter(([, end]) => !/^(taken|its own|ERR_[A-Z_]+)$/.test(String(end)))).toEqual([]);
  });
});

it("an embedder rejects what are no ids by an error with a code", async () => {
  const embedder = new TextEmbedder(model, "last");
  for (const [place, [ids]] of spoilt([[1, 2]])) {
    const end = await embedder.embed(ids as never).then(
      () => "taken",
      (error: unknown) => outcome(() => raise(error), []),
    );
    expect([place, end]).toEqual([place, expect.stringMatching(/^(taken|its own|ERR_[A-Z_]+)$/)]);
  }
});

it("an embedder has its model's context, frees what the model holds, and embeds nothing from then on", async () => {
  const own = loadModel(at("../golden/tiny-untied")).model;
  const embedder = new TextEmbedder(own, "mean");
  expect(embedder.maxPositions).toBe(own.maxPositions);
  expect(await embedder.embed([1, 2])).toHaveLength(16);
  embedder.dispose();
  embedder.dispose();
  await expect(embedder.embed([1, 2])).rejects.toMatchObject({ code: "ERR_GENERATION" });
});

function raise(error: unknown): never {
  throw error;
}
