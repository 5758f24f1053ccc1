import { describe, expect, it } from "vitest";
import golden from "../golden/tokenizer-kinds.golden.json" with { type: "json" };
import { Tokenizer } from "../tokenizer.ts";
import { Decoder } from "./decoders.ts";
import { Normalizer } from "./normalizers.ts";
import { PreTokenizer } from "./pre-tokenizers.ts";

// What tokenizers made of the same texts; oracle/tokenizer_kinds.py wrote it.
const { texts } = golden;

/** Kinds that are refused at load, by name. */
const REFUSED = ["UnicodeScripts"];

describe("as the Rust tokenizers", () => {
  it.each(golden.normalizers.map(({ part, out }) => ({ name: name(part), part, out })))(
    "normalises with $name",
    ({ part, out }) => {
      const normalizer = new Normalizer(part, "tokenizer.json");
      expect(texts.map((text) => normalizer.normalize(text))).toEqual(out);
    },
  );

  it.each(golden.preTokenizers.map(({ part, out }) => ({ name: name(part), part, out })))(
    "cuts a text into pieces with $name, or refuses the kind by name",
    ({ part, out }) => {
      const make = () => new PreTokenizer(part, "tokenizer.json");
      if (REFUSED.includes(part.type)) {
        expect(make).toThrow(`got "${part.type}"`);
        return;
      }
      const preTokenizer = make();
      const pieces = (text: string) => (text === "" ? [] : preTokenizer.split({ text, first: true }));
      expect(texts.map((text) => pieces(text).map((piece) => piece.text))).toEqual(out);
    },
  );

  it.each(golden.decoders.map(({ part, out }) => ({ name: name(part), part, out })))(
    "makes text of tokens with $name",
    ({ part, out }) => {
      const decoder = new Decoder(part, "tokenizer.json");
      // Null: the library itself breaks on those tokens.
      const ours = golden.tokenLists.map((tokens, i) => (out[i] === null ? null : decoder.decode(tokens)));
      expect(ours).toEqual(out);
    },
  );

  it.each(golden.models.map(({ file, ids }) => ({ name: name({ ...file.model, vocab: "" }), file, ids })))(
    "encodes with $name",
    ({ file, ids }) => {
      const tokenizer = new Tokenizer(file);
      expect(texts.map((text) => tokenizer.encode(text))).toEqual(ids);
    },
  );

  it.each(golden.addedTokens.map(({ file, ids }) => ({ name: name(file.added_tokens), file, ids })))(
    "finds $name, or refuses the combination",
    ({ file, ids }) => {
      if (file.normalizer?.type === "Strip" && file.pre_tokenizer?.prepend_scheme === "first") {
        expect(() => new Tokenizer(file)).toThrow(/"first" after a normalizer of kind Strip/);
        return;
      }
      const tokenizer = new Tokenizer(file);
      expect(texts.map((text) => tokenizer.encode(text))).toEqual(ids);
    },
  );

  it.each(golden.postProcessors.map(({ file, ids }) => ({ name: name(file.post_processor), file, ids })))(
    "puts around a text what $name says",
    ({ file, ids }) => {
      const tokenizer = new Tokenizer(file);
      expect(texts.map((text) => tokenizer.encode(text, { addSpecialTokens: true }))).toEqual(ids);
    },
  );
});

describe("what would be silently different", () => {
  const { file } = golden.models[0]!;

  it("refuses dropout, which is random", () => {
    expect(() => new Tokenizer({ ...file, model: { ...file.model, dropout: 0.1 } })).toThrow(
      /model\.dropout must be null or 0/,
    );
  });

  it("refuses a stated id that is not the next free one", () => {
    const added = [{ id: 99, content: "<x>", special: true }];
    expect(() => new Tokenizer({ ...file, added_tokens: added })).toThrow(
      /"<x>" is to have the id 99, but the next free one is 26/,
    );
  });
});

function name(part: unknown): string {
  return JSON.stringify(part)?.slice(0, 160);
}
