import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import file from "./golden/tokenizer.json" with { type: "json" };
import { TextStream } from "./text-stream.ts";
import { loadTokenizer, Tokenizer } from "./tokenizer.ts";

const merged = new Tokenizer(file);
const bytes = loadTokenizer(join(import.meta.dirname, "../../../../checkpoints/qwen3-sums"));

/** Pieces from byte-fallback tokens and spaces written as "▁", as SentencePiece models have them. */
const sentencePiece = new Tokenizer({
  model: {
    type: "BPE",
    unk_token: "<unk>",
    byte_fallback: true,
    vocab: Object.fromEntries(
      ["<unk>", "▁", "a", "b", "▁a", ...Array.from({ length: 256 }, (_, byte) => `<0x${hex(byte)}>`)].map(
        (t, i) => [t, i],
      ),
    ),
    merges: [["▁", "a"]],
  },
  decoder: {
    type: "Sequence",
    decoders: [
      { type: "Replace", pattern: { String: "▁" }, content: " " },
      { type: "ByteFallback" },
      { type: "Fuse" },
      { type: "Strip", content: " ", start: 1, stop: 0 },
    ],
  },
});

function hex(byte: number): string {
  return byte.toString(16).toUpperCase().padStart(2, "0");
}

function pieces(tokenizer: Tokenizer, ids: readonly number[], skipSpecialTokens = false): string[] {
  const stream = new TextStream(tokenizer, { skipSpecialTokens });
  return [...ids.map((id) => stream.push(id)), stream.end()];
}

describe("TextStream", () => {
  it("tells a run of bytes that are no text by a mark for each, however long it is", () => {
    const id = sentencePiece.encode("\u00ff").at(-1) as number; // the second of its two bytes
    expect(sentencePiece.decode(new Array(300_000).fill(id))).toBe("\ufffd".repeat(300_000));
  });

  it.each([
    ["one token a byte", bytes],
    ["merged bytes", merged],
  ])("joins to the whole text, for any text: %s", (_, tokenizer) => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 200 }), (text) => {
        const ids = tokenizer.encode(text);
        expect(pieces(tokenizer, ids).join("")).toBe(tokenizer.decode(ids));
      }),
    );
  });

  it.each([
    ["one token a byte", bytes],
    ["merged bytes", merged],
    ["byte fallback", sentencePiece],
  ])(
    "joins to the whole text, for any ids, also broken UTF-8 and ids without a token: %s",
    (_, tokenizer) => {
      const ids = fc.array(fc.integer({ min: 0, max: tokenizer.vocabSize + 3 }), { maxLength: 300 });
      fc.assert(
        fc.property(ids, fc.boolean(), (sequence, skipSpecialTokens) => {
          const whole = tokenizer.decode(sequence, { skipSpecialTokens });
          expect(pieces(tokenizer, sequence, skipSpecialTokens).join("")).toBe(whole);
        }),
        { numRuns: 400 },
      );
    },
  );

  it("joins to the whole text for long runs of the bytes that UTF-8 is made of", () => {
    const pool = [0x80, 0xbf, 0xc3, 0xe2, 0xf0, 0x9f, 0x98, 0x80, 0xed, 0xa0, 0xf4, 0x90, 0xff, 0x41, 256];
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...pool), { minLength: 40, maxLength: 250 }), (ids) => {
        expect(pieces(bytes, ids).join("")).toBe(bytes.decode(ids));
      }),
      { numRuns: 1000 },
    );
  });

  it("finishes a character however many tokens without text come between its bytes", () => {
    for (const none of [5000, 258]) {
      const ids = [...new TextEncoder().encode("a😀é")].flatMap((byte) => [
        byte,
        ...new Array<number>(100).fill(none),
      ]);
      expect(pieces(bytes, ids, true).join("")).toBe("a😀é");
    }
  });

  it("never gives out half a character, nor holds a whole one back", () => {
    expect(pieces(bytes, bytes.encode("aé😀b"))).toEqual(["a", "", "é", "", "", "", "😀", "b", ""]);
  });

  it("gives out what is left of an unfinished character at the end, and begins anew", () => {
    const stream = new TextStream(bytes);
    expect([stream.push(0xf0), stream.push(0x9f), stream.end(), stream.end()]).toEqual([
      "",
      "",
      "\uFFFD",
      "",
    ]);
    expect([stream.push(0x41), stream.end()]).toEqual(["A", ""]);
    expect([stream.push(0x42), stream.end()]).toEqual(["B", ""]);
  });

  it("leaves special tokens out only when asked to", () => {
    const ids = bytes.encode("ok<|im_end|>");
    expect(pieces(bytes, ids).join("")).toBe("ok<|im_end|>");
    expect(pieces(bytes, ids, true).join("")).toBe("ok");
  });

  it("decodes a bounded number of tokens for each token, however long the text and however broken", () => {
    for (const id of [0x41, 0xff, 0x80]) {
      let decoded = 0;
      const decode = (ids: Iterable<number>) => {
        decoded += [...ids].length;
        return bytes.decode(ids);
      };
      const stream = new TextStream({
        decode,
        specialIds: bytes.specialIds,
        token: (given) => bytes.token(given),
        isOpenByte: () => false,
      });
      for (let i = 0; i < 5000; i++) stream.push(id);
      expect(decoded).toBeLessThan(5000 * 40);
    }
  });
});
