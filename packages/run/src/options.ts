import { resolve } from "node:path";
import { Command, Option } from "commander";
import { integer, number, positive } from "./option-values.ts";

/** What the command line asks for, parsed once. */
export interface Options {
  readonly prompts: readonly string[];
  readonly model: string;
  readonly device: "cpu";
  readonly dtype?: "f32" | "bf16" | "f16";
  readonly rounding: "hf" | "once";
  readonly kernels: "auto" | "native" | "typescript";
  readonly qkNorm: "auto" | "fallback";
  readonly chat?: boolean;
  readonly thinking: boolean;
  readonly maxTokens?: number;
  readonly temperature?: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly minP?: number;
  readonly seed?: number;
  readonly trace: boolean;
  readonly compare: boolean;
}

/** How the command is called where it is started, and what it answers with when nothing is asked. */
export interface Setting {
  readonly name: string;
  /** The model when none is named, and the prompts that it then answers when none are given. */
  readonly fallback?: {
    readonly model: string;
    readonly shownAs: string;
    readonly prompts: readonly string[];
  };
}

/** The command with its help; throws commander's own error for a wrong option. */
export function parseOptions(args: readonly string[], { name, fallback }: Setting): Options {
  const model = new Option(
    "-m, --model <folder>",
    "a Hugging Face model folder: config.json, safetensors, tokenizer.json",
  );
  const command = new Command(name)
    .description("Answers prompts with a model, every layer's q and k normalised through applyQkNorm.")
    .option("-p, --prompt <text...>", "what to continue; several prompts are answered one after the other")
    .addOption(
      fallback === undefined ? model.makeOptionMandatory() : model.default(fallback.model, fallback.shownAs),
    )
    .addOption(new Option("--device <device>", "where to run").choices(["cpu"]).default("cpu"))
    .addOption(
      new Option("--dtype <dtype>", "of activations and KV cache; default: the checkpoint's").choices([
        "f32",
        "bf16",
        "f16",
      ]),
    )
    .addOption(
      new Option("--rounding <mode>", "hf rounds where transformers does, once rounds each result once")
        .choices(["hf", "once"])
        .default("hf"),
    )
    .addOption(
      new Option("--kernels <kind>", "what runs the arithmetic")
        .choices(["auto", "native", "typescript"])
        .default("auto"),
    )
    .addOption(
      new Option("--qk-norm <path>", "fallback runs the two norms one by one")
        .choices(["auto", "fallback"])
        .default("auto"),
    )
    .option("--chat", "put the prompt through the model's chat template; default: when it has one")
    .option("--no-chat", "continue the prompt as it is")
    .option("--thinking", "let a chat model think before it answers (Qwen3's enable_thinking)", false)
    .optionsGroup("Sampling (default: what generation_config.json says):")
    .option("-n, --max-tokens <count>", "stop after so many tokens", positive)
    .option("--temperature <t>", "0 takes the most likely token", number)
    .option("--top-k <k>", "keep the k most likely tokens; 0 keeps all", integer)
    .option("--top-p <p>", "keep the most likely tokens that together reach p", number)
    .option("--min-p <p>", "keep tokens at least p times as likely as the most likely one", number)
    .option("--seed <n>", "draw the same tokens again", integer)
    .optionsGroup("Looking inside:")
    .option("--trace", "per layer: the QK-norm plan, its time and its share of the forward pass", false)
    .option(
      "--compare",
      "the fused path and the fallback side by side: tokens/s, and whether the texts agree",
      false,
    )
    .addHelpText(
      "after",
      `\nExamples:\n  ${name} --model ~/models/Qwen3-0.6B --prompt "Why is the sky blue?" --max-tokens 200\n` +
        `  ${name} --model ~/models/Qwen3-0.6B --prompt "Why is the sky blue?" --trace\n`,
    )
    .allowExcessArguments(false)
    .exitOverride();
  command.parse(args, { from: "user" });
  const { prompt, ...rest } = command.opts<Omit<Options, "prompts"> & { prompt?: string[] }>();
  const examples = rest.model === fallback?.model ? fallback.prompts : [];
  return Object.freeze({ ...rest, model: resolve(rest.model), prompts: prompt ?? examples });
}
