import { resolve } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { sumsCheckpoint } from "./sums.ts";

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

const examples = ["127+456=", "9999+1=", "86+4713=", "5208+3791="];

/** The command with its help; `parse` throws commander's own error for a wrong option. */
export function parseOptions(args: readonly string[]): Options {
  const command = new Command("npm start --")
    .description(
      "Answers prompts with a Qwen3 checkpoint, every layer's q and k normalised through applyQkNorm.\n" +
        "Without options: some sums, answered by the small checkpoint of this repository.",
    )
    .option("-p, --prompt <text...>", "what to continue; several prompts are answered one after the other")
    .addOption(
      new Option(
        "-m, --model <folder>",
        "a Hugging Face model folder: config.json, safetensors, tokenizer.json",
      ).default(sumsCheckpoint, "checkpoints/qwen3-sums"),
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
      '\nExamples:\n  npm start -- --prompt "127+456="\n  npm start -- --prompt "127+456=" --trace\n' +
        '  npm start -- --model ~/models/Qwen3-0.6B --prompt "Why is the sky blue?" --max-tokens 200\n',
    )
    .allowExcessArguments(false)
    .exitOverride();
  command.parse(args, { from: "user" });
  const { prompt, model, ...rest } = command.opts<Omit<Options, "prompts"> & { prompt?: string[] }>();
  return Object.freeze({
    ...rest,
    model: resolve(model),
    prompts: prompt ?? (model === sumsCheckpoint ? examples : []),
  });
}

function integer(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError("It must be an integer from 0.");
  return Number(text);
}

function positive(text: string): number {
  const count = integer(text);
  if (count === 0) throw new InvalidArgumentError("It must be an integer from 1.");
  return count;
}

function number(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value)) throw new InvalidArgumentError("It must be a number.");
  return value;
}
