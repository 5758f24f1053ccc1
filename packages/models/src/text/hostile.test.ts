import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ChatTemplate } from "./chat-template.ts";
import { loadTokenizer, Tokenizer } from "./tokenizer.ts";

const ask = [{ role: "user", content: "hi" }];

/** Runs what must fail, in one sentence and two seconds of processor time: others may use the machine too. */
function refusal(act: () => unknown): string {
  const started = process.cpuUsage();
  let message = "";
  try {
    act();
  } catch (error) {
    expect(error).toMatchObject({ name: "QkNormError" });
    message = (error as Error).message;
  }
  const { user, system } = process.cpuUsage(started);
  expect((user + system) / 1e6).toBeLessThan(2);
  expect(message).not.toContain("\n");
  expect(message.length).toBeLessThan(400);
  return message;
}

describe("a chat template", () => {
  const ns = (start: string, body: string, end = "") =>
    `{% set ns = namespace(s=${start}, l=[]) %}{% for i in range(100000) %}${body}{% endfor %}${end}`;

  it.each([
    [
      "that builds a range of 1e9",
      "{% for i in range(1000000000) %}x{% endfor %}",
      /more than 100000 numbers/,
    ],
    [
      "that loops without end",
      `${"{% for i in range(100000) %}".repeat(3)}${"{% endfor %}".repeat(3)}`,
      /did not come to an end within 60[12] ms/,
    ],
    [
      "that doubles a text",
      ns("'x'", "{% set ns.s = ns.s + ns.s %}", "{{ ns.s }}"),
      /more than 1048\d\d\d characters/,
    ],
    ["that doubles a list", ns("[1]", "{% set ns.s = ns.s + ns.s %}"), /more than 100000 items/],
    [
      "that keeps many lists",
      ns("[]", "{% set ns.l = ns.l + [range(100000)|list] %}"),
      /more than 134217728 characters or 5000000 items|did not come to an end/,
    ],
    [
      "that keeps many texts",
      ns("'x'", "{% if i < 20 %}{% set ns.s = ns.s + ns.s %}{% endif %}{% set ns.l = ns.l + [ns.s + 'y'] %}"),
      /more than 134217728 characters/,
    ],
    [
      "that replaces what it replaced",
      ns("'aa'", "{% set ns.s = ns.s|replace('a', ns.s) %}"),
      /characters|string length/,
    ],
    ["of brackets", `{{ ${"(".repeat(20_000)}1${")".repeat(20_000)} }}`, /not valid Jinja.*call stack/],
    ["of open blocks", "{% if 1 %}".repeat(20_000), /not valid Jinja|could not be read/],
    ["of a megabyte", "x".repeat(2 ** 20 + 1), /more than 1048576 characters/],
  ])("%s is refused", (_, source, message) => {
    expect(refusal(() => new ChatTemplate(source).renderChat(ask))).toMatch(message);
  });

  it("is refused without filling the memory", () => {
    const before = process.resourceUsage().maxRSS;
    refusal(() => new ChatTemplate(ns("'x'", "{% set ns.l = ns.l + [range(99999)|list] %}")).renderChat(ask));
    expect((process.resourceUsage().maxRSS - before) / 1024).toBeLessThan(500);
  });
});

describe("a tokenizer", () => {
  const base = { model: { type: "BPE", vocab: { a: 0 }, merges: [] }, added_tokens: [] };
  const replace = (pattern: object, content: string) => ({ type: "Replace", pattern, content });
  const split = (Regex: string) => ({
    type: "Split",
    pattern: { Regex },
    behavior: "Isolated",
    invert: false,
  });
  const nested = (depth: number): object =>
    depth === 0 ? { type: "NFC" } : { type: "Sequence", normalizers: [nested(depth - 1)] };
  const deep = () => {
    let part: object = nested(0);
    for (let i = 0; i < 20_000; i++) part = { type: "Sequence", normalizers: [part] };
    return part;
  };
  const many = (count: number, step: object) => ({
    type: "Sequence",
    normalizers: Array.from({ length: count }, () => step),
  });

  it.each([
    ["20,000 nested normalizers", { normalizer: deep() }, /sequences more than 16 deep/],
    ["20,000 normalizers", { normalizer: many(20_000, { type: "NFC" }) }, /more than 1024 steps/],
    [
      "replacements that grow",
      { normalizer: many(100, replace({ String: "a" }, "aa")) },
      /at most 32 times its length and 1048576 more/,
    ],
    [
      "a long prefix",
      { normalizer: many(9, { type: "Prepend", prepend: "x".repeat(2 ** 20) }) },
      /at most 32/,
    ],
    ["a rule that backtracks", { pre_tokenizer: split("(a+)+$") }, /backtracks without end/],
    [
      "a replacement that backtracks",
      { normalizer: replace({ Regex: "(a|a)*c" }, "") },
      /backtracks without end/,
    ],
    ["a rule of 20,000 characters", { pre_tokenizer: split("a".repeat(20_000)) }, /longer than 16384/],
    ["a rule that is none", { pre_tokenizer: split("(") }, /cannot be run here/],
    ["an empty rule", { pre_tokenizer: split("") }, /is empty/],
  ])("with %s is refused", (_, parts, message) => {
    expect(refusal(() => new Tokenizer({ ...base, ...parts }).encode(`${"a".repeat(40)}!`))).toMatch(message);
  });

  it("with a decoder that backtracks is stopped", () => {
    const decoder = replace({ Regex: "(a+)+$" }, "");
    const vocab = { [`${"a".repeat(40)}!`]: 0 };
    const tokenizer = new Tokenizer({ ...base, model: { ...base.model, vocab }, decoder });
    expect(refusal(() => tokenizer.decode([0]))).toMatch(/could not decode .* within 60[12] ms/);
  });

  it.each(["__proto__", "constructor", "toString"])("with a part of type %s is refused by name", (type) => {
    expect(refusal(() => new Tokenizer({ ...base, normalizer: { type } }))).toContain(`got "${type}"`);
    expect(refusal(() => new Tokenizer({ ...base, model: { ...base.model, type } }))).toContain(
      `got "${type}"`,
    );
  });
});

describe("a tokenizer.json", () => {
  it("of very many values is refused before they are made", () => {
    const dir = mkdtempSync(join(tmpdir(), "hostile-"));
    try {
      writeFileSync(join(dir, "tokenizer.json"), `{"model":[${"[],".repeat(15_000_000)}[]]}`);
      const before = process.resourceUsage().maxRSS;
      expect(refusal(() => loadTokenizer(dir))).toMatch(/has more than 4194304 values/);
      expect((process.resourceUsage().maxRSS - before) / 1024).toBeLessThan(500);
      writeFileSync(join(dir, "tokenizer.json"), " ".repeat(2 ** 26 + 1));
      expect(refusal(() => loadTokenizer(dir))).toMatch(/at most 67108864 are expected/);
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
});
