import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import golden from "../golden/tokenizer-folders.golden.json" with { type: "json" };
import { loadTokenizer } from "../tokenizer.ts";
import { namedSpecialTokens } from "./special-tokens.ts";
import { readTokenizerConfig } from "./tokenizer-folder.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "tokenizer-folder-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

function write(files: Readonly<Record<string, unknown>>): void {
  for (const [name, content] of Object.entries(files))
    writeFileSync(join(dir, name), typeof content === "string" ? content : JSON.stringify(content));
}

describe("a tokenizer folder", () => {
  // What transformers made of the same folders; oracle/tokenizer_folders.py wrote it.
  it.each(golden.folders)(
    "is read as transformers reads it: $name",
    ({ files, ids, plain, skipped, named }) => {
      write(files);
      const tokenizer = loadTokenizer(dir);
      const encoded = golden.texts.map((text) => tokenizer.encode(text, { addSpecialTokens: true }));
      expect(encoded).toEqual(ids);
      expect(golden.texts.map((text) => tokenizer.encode(text))).toEqual(plain);
      expect(encoded.map((of) => tokenizer.decode(of, { skipSpecialTokens: true }))).toEqual(skipped);
      if ("tokenizer.json" in files) expect(namedSpecialTokens(readTokenizerConfig(dir))).toEqual(named);
    },
  );

  it("refuses vocab.json and merges.txt of another class", () => {
    write({
      "vocab.json": { a: 0 },
      "merges.txt": "",
      "tokenizer_config.json": { tokenizer_class: "GPT2Tokenizer" },
    });
    expect(() => loadTokenizer(dir)).toThrow(/Qwen2Tokenizer only, not for "GPT2Tokenizer"/);
  });

  it("refuses an added token whose id is not the next free one", () => {
    const [{ files }] = golden.folders as [(typeof golden.folders)[0]];
    write({ ...files, "added_tokens.json": { "<far>": 900 } });
    expect(() => loadTokenizer(dir)).toThrow(/"<far>" is to have the id 900, but the next free one is 26/);
  });
});
