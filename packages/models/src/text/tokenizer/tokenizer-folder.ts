import { existsSync } from "node:fs";
import { join } from "node:path";
import { QkNormError } from "@qknorm/core";
import { isJsonObject, type JsonObject, readJsonObject, readTextFile } from "../../checkpoint/json-file.ts";
import { pathIn } from "../../checkpoint/model-folder.ts";
import { shown } from "../../checkpoint/shown-value.ts";

/** Classes whose vocab.json and merges.txt mean Qwen's splitting rule. */
const QWEN_CLASSES = ["Qwen2Tokenizer", "Qwen2TokenizerFast"];
/** What they mean where tokenizer_config.json does not say. */
const QWEN_TOKENS = { unk_token: "<|endoftext|>", eos_token: "<|endoftext|>", pad_token: "<|endoftext|>" };
const LARGEST = { maxBytes: 64 * 2 ** 20 };

/** What a model folder says of its tokenizer. */
export interface TokenizerFolder {
  /** `tokenizer.json`, or what vocab.json and merges.txt mean, in its form. */
  readonly file: JsonObject;
  /** `tokenizer_config.json`, with what only the older files beside it say. */
  readonly config: JsonObject;
  /** Of the file, for errors. */
  readonly path: string;
}

/** @throws ERR_CHECKPOINT for files that are missing or malformed */
export function readTokenizerFolder(dir: string): TokenizerFolder {
  const config = readTokenizerConfig(dir);
  const path = join(dir, "tokenizer.json");
  if (existsSync(path)) return { file: readJsonObject(path, LARGEST), config, path };
  const vocab = join(dir, "vocab.json");
  const merges = join(dir, "merges.txt");
  if (!existsSync(vocab) || !existsSync(merges)) {
    const missing = "no tokenizer.json, nor vocab.json and merges.txt, so text cannot be read";
    throw new QkNormError("ERR_CHECKPOINT", `${dir}: ${missing}`);
  }
  const file = qwenTokenizer(readJsonObject(vocab, LARGEST), readTextFile(merges, LARGEST), config, dir);
  return { file, config: { ...QWEN_TOKENS, ...config }, path: vocab };
}

/**
 * `tokenizer_config.json`. Where it lists no `added_tokens_decoder`, `special_tokens_map.json` and `added_tokens.json`
 * are read into it, as transformers reads such older folders.
 */
export function readTokenizerConfig(dir: string): JsonObject {
  const optional = (name: string): JsonObject => {
    const path = pathIn(dir, name);
    return existsSync(path) ? readJsonObject(path) : {};
  };
  const config = optional("tokenizer_config.json");
  if (config.added_tokens_decoder !== undefined) return config;
  const merged: JsonObject = { ...config, ...optional("special_tokens_map.json") };
  const special = specialTexts(merged);
  const tokens = Object.entries(optional("added_tokens.json")).map(([content, id]) => {
    if (!Number.isSafeInteger(id))
      throw new QkNormError(
        "ERR_CHECKPOINT",
        `${dir}: added_tokens.json gives ${shown(content)} the id ${shown(id)}`,
      );
    return [String(id), { content, special: special.has(content) }] as const;
  });
  return { ...merged, added_tokens_decoder: Object.fromEntries(tokens) };
}

function specialTexts(config: JsonObject): ReadonlySet<unknown> {
  const values = Object.entries(config).flatMap(([key, value]) =>
    Array.isArray(value) || key.endsWith("_token") ? value : [],
  );
  return new Set(values.map((value) => (isJsonObject(value) ? value.content : value)));
}

// From the Qwen2 tokenizer of transformers: byte-level BPE after NFC, split by this rule.
const QWEN_RULE =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

function qwenTokenizer(vocab: JsonObject, mergesText: string, config: JsonObject, dir: string): JsonObject {
  const kind = config.tokenizer_class ?? QWEN_CLASSES[0];
  if (!QWEN_CLASSES.includes(kind as string)) {
    throw new QkNormError(
      "ERR_CHECKPOINT",
      `${dir}: vocab.json and merges.txt are read for ${QWEN_CLASSES[0]} only, not for ${shown(kind)}; save the tokenizer as tokenizer.json`,
    );
  }
  const merges = mergesText.split(/\r?\n/).filter((line) => line !== "" && !line.startsWith("#version"));
  return {
    model: { type: "BPE", vocab, merges },
    normalizer: { type: "NFC" },
    pre_tokenizer: {
      type: "Sequence",
      pretokenizers: [
        { type: "Split", pattern: { Regex: QWEN_RULE }, behavior: "Isolated", invert: false },
        { type: "ByteLevel", add_prefix_space: config.add_prefix_space === true, use_regex: false },
      ],
    },
    decoder: { type: "ByteLevel" },
    added_tokens: [],
  };
}
