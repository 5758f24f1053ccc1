import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { isQkNormError, setQkNormLogger } from "@qknorm/core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { fuzz, fuzzTimeout } from "../../core/test/fuzz.ts";
import { openSafetensors } from "../src/checkpoint/safetensors.ts";
import { loadModel } from "../src/families/load-model.ts";
import { nextStep } from "../src/layers/sequence-step.ts";
import tokenizers from "../src/text/golden/tokenizer-kinds.golden.json" with { type: "json" };
import { loadTokenizer } from "../src/text/tokenizer.ts";
import { spoiltBytes, spoiltJson } from "./spoilt.ts";

// A file with anything changed in it is read, or refused with one sentence and a code of ours, within seconds.
const MOST_SECONDS = 5;
const golden = join(import.meta.dirname, "../golden");
const dir = mkdtempSync(join(tmpdir(), "spoilt-"));
const timeout = fuzzTimeout;

beforeAll(() => {
  setQkNormLogger(null);
});
afterAll(() => rmSync(dir, { recursive: true }));

function expectAnswerOrSentence(run: () => void): void {
  const started = process.cpuUsage();
  try {
    run();
  } catch (error) {
    expect(isQkNormError(error), (error as Error).stack ?? String(error)).toBe(true);
    expect((error as Error).message.length).toBeLessThan(1000);
  }
  const { user, system } = process.cpuUsage(started);
  expect((user + system) / 1e6).toBeLessThan(MOST_SECONDS);
}

it("a safetensors file with any bytes changed is read, or refused with a sentence", { timeout }, () => {
  const seeds = [
    "variants/model.safetensors",
    "qwen3/biased/golden.safetensors",
    "variants/adapter/adapter_model.safetensors",
  ];
  const path = join(dir, "changed.safetensors");
  const bytes = spoiltBytes(seeds.map((name) => readFileSync(join(golden, name))));
  fuzz("safetensors", 150, bytes, (changed) => {
    writeFileSync(path, changed);
    expectAnswerOrSentence(() => {
      using file = openSafetensors(path);
      for (const name of file.names) file.read(name);
    });
  });
});

const folders = readdirSync(golden, { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith("config.json"))
  .map((name) => dirname(join(golden, name)))
  .filter((folder) => existsSync(join(folder, "config.json")) && modelTypeOf(folder) !== undefined);

function modelTypeOf(folder: string): unknown {
  return JSON.parse(readFileSync(join(folder, "config.json"), "utf8")).model_type;
}

it("a config.json with any values changed gives a model that runs, or is refused with a sentence", {
  timeout,
}, () => {
  const configs = folders.map((folder) => ({
    folder,
    config: JSON.parse(readFileSync(join(folder, "config.json"), "utf8")) as unknown,
  }));
  fuzz("config.json", 60, spoiltJson(configs), (changed) => {
    const { folder, config } = changed as Partial<(typeof configs)[number]>;
    if (!folders.includes(folder!)) return;
    const own = mkdtempSync(join(dir, "model-"));
    for (const name of readdirSync(folder!).filter((name) =>
      /^model.*(safetensors|index\.json)$/.test(name),
    )) {
      symlinkSync(join(folder!, name), join(own, name));
    }
    writeFileSync(join(own, "config.json"), JSON.stringify(config) ?? "");
    expectAnswerOrSentence(() => {
      const { model } = loadModel(own);
      model.forward(nextStep([1, 2, 3], model.newCache()));
    });
    rmSync(own, { recursive: true });
  });
});

it("a tokenizer.json with any values changed encodes and decodes, or is refused with a sentence", {
  timeout,
}, () => {
  const files = [...tokenizers.models, ...tokenizers.addedTokens].map(({ file }) => file as unknown);
  const seeds = [
    ...files,
    ...tokenizers.normalizers.map(({ part }, i) => ({
      ...(files[i % files.length] as object),
      normalizer: part,
    })),
    ...tokenizers.preTokenizers.map(({ part }, i) => ({
      ...(files[i % files.length] as object),
      pre_tokenizer: part,
    })),
    ...tokenizers.decoders.map(({ part }, i) => ({ ...(files[i % files.length] as object), decoder: part })),
  ];
  fuzz("tokenizer.json", 300, spoiltJson(seeds), (changed) => {
    expectAnswerOrSentence(() => {
      writeFileSync(join(dir, "tokenizer.json"), JSON.stringify(changed) ?? "");
      const tokenizer = loadTokenizer(dir);
      for (const text of tokenizers.texts) {
        expectAnswerOrSentence(() => tokenizer.decode(tokenizer.encode(text, { addSpecialTokens: true })));
      }
    });
  });
});
