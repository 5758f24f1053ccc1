import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import golden from "./golden/tokenizer.golden.json" with { type: "json" };
import file from "./golden/tokenizer.json" with { type: "json" };
import { loadTokenizer, Tokenizer } from "./tokenizer.ts";

const tokenizer = new Tokenizer(file);

describe("a byte-level BPE with Qwen's splitting rule", () => {
  it.each(golden.texts)("encodes $text as the Rust tokenizers do", ({ text, ids }) => {
    expect(tokenizer.encode(text)).toEqual(ids);
  });

  it("decodes any ids as the Rust tokenizers do, broken UTF-8 included", () => {
    for (const { ids, text, skipped } of golden.sequences) {
      expect(tokenizer.decode(ids)).toBe(text);
      expect(tokenizer.decode(ids, { skipSpecialTokens: true })).toBe(skipped);
    }
  });

  it("gives back the text that it encoded, after NFC", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        expect(tokenizer.decode(tokenizer.encode(text))).toBe(text.normalize("NFC"));
      }),
    );
  });

  it("knows its special tokens, and that <think> is not one", () => {
    const ids = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"].map((token) => tokenizer.id(token));
    expect([...tokenizer.specialIds]).toEqual(ids);
    const think = tokenizer.id("<think>")!;
    expect(tokenizer.decode([think, ids[2]!], { skipSpecialTokens: true })).toBe("<think>");
    expect(tokenizer.token(think)).toBe("<think>");
    expect(tokenizer.vocabSize).toBe(tokenizer.id("</think>")! + 1);
  });

  it("decodes no ids, and ids without a token, to no text", () => {
    expect(tokenizer.decode([])).toBe("");
    expect(tokenizer.decode([tokenizer.vocabSize, 150_000])).toBe("");
    expect(tokenizer.encode("")).toEqual([]);
  });

  it.each([-1, 1.5, Number.NaN, 2 ** 60, "3"])("refuses the id %s", (id) => {
    expect(() => tokenizer.decode([id as number])).toThrow(
      expect.objectContaining({ code: "ERR_GENERATION" }),
    );
  });

  it("refuses to encode what is not text", () => {
    expect(() => tokenizer.encode(7 as unknown as string)).toThrow("can only encode a string, got number");
  });

  it("encodes half a surrogate pair as U+FFFD", () => {
    expect(tokenizer.decode(tokenizer.encode("a\ud800b"))).toBe("a\uFFFDb");
  });

  it("leaves the spaces before punctuation alone", () => {
    const config = { clean_up_tokenization_spaces: true };
    expect(new Tokenizer(file, config).decode(tokenizer.encode("a , b ."))).toBe("a , b .");
  });
});

describe("loadTokenizer", () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "tokenizer-"));
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  it("needs only tokenizer.json", () => {
    writeFileSync(join(dir, "tokenizer.json"), JSON.stringify(file));
    expect(loadTokenizer(dir).encode("a")).toEqual(tokenizer.encode("a"));
  });

  it("says that tokenizer.json is missing", () => {
    expect(() => loadTokenizer(dir)).toThrow(/no tokenizer\.json/);
  });

  it("turns every truncation of the file into ERR_CHECKPOINT", () => {
    const text = JSON.stringify(file);
    for (let length = 0; length < text.length; length += 997) {
      writeFileSync(join(dir, "tokenizer.json"), text.slice(0, length));
      expect(() => loadTokenizer(dir)).toThrow(expect.objectContaining({ code: "ERR_CHECKPOINT" }));
    }
  });

  const broken: [string, unknown, string][] = [
    ["no model", { ...file, model: undefined }, "model must be an object"],
    [
      "a vocabulary that is text",
      { ...file, model: { ...file.model, vocab: "abc" } },
      "model.vocab must be an object",
    ],
    ["an id that is text", { ...file, model: { ...file.model, vocab: { a: "1" } } }, 'gives "a" the id "1"'],
    [
      "a huge id",
      { ...file, model: { ...file.model, vocab: { a: 2 ** 40 } } },
      'gives "a" the id 1099511627776',
    ],
    ["an id twice", { ...file, model: { ...file.model, vocab: { a: 1, b: 1 } } }, "two tokens of id 1"],
    ["no merges", { ...file, model: { ...file.model, merges: undefined } }, "model.merges must be an array"],
    [
      "a merge of one",
      { ...file, model: { ...file.model, merges: ["ab"] } },
      "model.merges[0] must be a pair",
    ],
    ["a merge of strangers", { ...file, model: { ...file.model, merges: ["ł ł"] } }, 'needs the token "łł"'],
    [
      "an unknown model",
      { ...file, model: { ...file.model, type: "Magic" } },
      'model.type must be one of BPE, WordPiece, WordLevel, Unigram, got "Magic"',
    ],
    ["an unknown decoder", { ...file, decoder: { type: "Magic" } }, "decoder.type must be one of ByteLevel"],
    [
      "an added token without text",
      { ...file, added_tokens: [{ id: 1 }] },
      "added_tokens[0].content must be text",
    ],
    [
      "an added token without id",
      { ...file, added_tokens: [{ content: "x" }] },
      "added_tokens[0].id must be",
    ],
    [
      "a pattern of no kind",
      { ...file, pre_tokenizer: { type: "Split", pattern: {}, behavior: "Isolated" } },
      "pre_tokenizer.pattern must",
    ],
  ];
  it.each(broken)("refuses %s", (_, content, message) => {
    writeFileSync(join(dir, "tokenizer.json"), JSON.stringify(content));
    expect(() => loadTokenizer(dir)).toThrow(message);
    expect(() => loadTokenizer(dir)).toThrow(expect.objectContaining({ code: "ERR_CHECKPOINT" }));
  });

  it("reads the tokenizer of the checkpoint in this repository: an id is a byte", () => {
    const folder = join(import.meta.dirname, "../../../../checkpoints/qwen3-sums");
    const bytes = loadTokenizer(folder);
    expect(bytes.encode("127+456=")).toEqual([...new TextEncoder().encode("127+456=")]);
    expect(JSON.parse(readFileSync(join(folder, "tokenizer.json"), "utf8")).model.merges).toEqual([]);
  });
});
