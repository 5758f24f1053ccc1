import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type ChatMessage, ChatTemplate, loadChatTemplate } from "./chat-template.ts";
import golden from "./golden/chat.golden.json" with { type: "json" };

const source = readFileSync(join(import.meta.dirname, "golden/chat_template.jinja"), "utf8");
const ask: ChatMessage[] = [{ role: "user", content: "2+2=" }];

describe("a Qwen3-like chat template", () => {
  const template = new ChatTemplate(source);

  it.each(golden)("renders conversation %# as transformers does", ({ messages, options, text }) => {
    const {
      add_generation_prompt: addGenerationPrompt = true,
      enable_thinking: enableThinking,
      ...variables
    } = options;
    expect(template.renderChat(messages, { addGenerationPrompt, enableThinking, variables })).toBe(text);
  });

  it("hands on the template's own refusal", () => {
    const act = () => template.renderChat([{ role: "robot", content: "beep" }]);
    expect(act).toThrow("the chat template refused the conversation: Unknown role robot");
    expect(act).toThrow(expect.objectContaining({ code: "ERR_GENERATION" }));
  });

  it.each([[null], [[null]], [[{ role: "user" }]], [[{ role: 1, content: "a" }]], ["hi"]])(
    "refuses messages that are %j",
    (messages) => {
      const act = () => template.renderChat(messages as unknown as ChatMessage[]);
      expect(act).toThrow(expect.objectContaining({ code: "ERR_GENERATION" }));
    },
  );
});

describe("ChatTemplate", () => {
  it("gives the template the tokenizer's special tokens, as text or as objects", () => {
    const config = { bos_token: "<s>", eos_token: { content: "</s>" }, pad_token: null };
    const template = new ChatTemplate(
      "{{ bos_token }}{{ messages[0].content }}{{ eos_token }}{{ pad_token is defined }}",
      config,
    );
    expect(template.renderChat(ask)).toBe("<s>2+2=</s>False");
  });

  it("leaves enable_thinking undefined unless it is given", () => {
    const template = new ChatTemplate("{{ enable_thinking is defined }}");
    expect(template.renderChat(ask)).toBe("False");
    expect(template.renderChat(ask, { enableThinking: false })).toBe("True");
  });

  it("picks one of several named templates", () => {
    const template = new ChatTemplate([
      { name: "default", template: "plain" },
      { name: "tool_use", template: "tools" },
    ]);
    expect(template.names).toEqual(["default", "tool_use"]);
    expect(template.renderChat(ask)).toBe("plain");
    expect(template.renderChat(ask, { name: "tool_use" })).toBe("tools");
    expect(() => template.renderChat(ask, { name: "rag" })).toThrow(
      'no template "rag"; there is default, tool_use',
    );
  });

  it.each([["{% if %}"], [7], [[{ name: "default" }]], [["text"]], ["{{ ".repeat(9)]])(
    "refuses %j",
    (broken) => {
      expect(() => new ChatTemplate(broken)).toThrow(expect.objectContaining({ code: "ERR_CHECKPOINT" }));
    },
  );
});

describe("loadChatTemplate", () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "chat-"));
  });
  afterEach(() => rmSync(dir, { recursive: true }));
  const write = (name: string, text: string) => writeFileSync(join(dir, name), text);

  it("has none where the model has none", () => {
    expect(loadChatTemplate(dir)).toBeNull();
    write("tokenizer_config.json", "{}");
    expect(loadChatTemplate(dir)).toBeNull();
  });

  it("takes chat_template.jinja before tokenizer_config.json", () => {
    write(
      "tokenizer_config.json",
      JSON.stringify({ chat_template: "config {{ eos_token }}", eos_token: "E" }),
    );
    expect(loadChatTemplate(dir)!.renderChat(ask)).toBe("config E");
    write("chat_template.jinja", "file {{ eos_token }}");
    expect(loadChatTemplate(dir)!.renderChat(ask)).toBe("file E");
  });

  it("names the file of a broken template", () => {
    write("chat_template.jinja", "{% for %}");
    expect(() => loadChatTemplate(dir)).toThrow(
      /chat_template\.jinja: the chat template "default" is not valid Jinja/,
    );
  });
});
