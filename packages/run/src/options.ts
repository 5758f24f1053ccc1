import { readFileSync } from "node:fs";
import { Command, InvalidArgumentError, Option } from "commander";
import { parseTokenIds } from "./logits/token-ids.ts";
import { addModelOptions, type ModelOptions } from "./model-options.ts";
import { integer, number, positive } from "./option-values.ts";

/** New tokens of an answer when nobody says how many. */
export const DEFAULT_MAX_TOKENS = 1024;

/** What the command line asks for, parsed once. */
export interface Options extends ModelOptions {
  readonly prompt?: readonly string[];
  readonly promptFile?: readonly string[];
  readonly ids?: readonly number[];
  readonly messages?: string;
  readonly interactive?: boolean;
  readonly system?: string;
  readonly tools?: string;
  readonly chat?: boolean;
  readonly thinking: boolean;
  readonly maxTokens?: number;
  readonly temperature?: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly minP?: number;
  readonly typicalP?: number;
  readonly epsilonCutoff?: number;
  readonly etaCutoff?: number;
  readonly repetitionPenalty?: number;
  readonly presencePenalty?: number;
  readonly frequencyPenalty?: number;
  readonly seed?: number;
  readonly json: boolean;
  readonly quiet: boolean;
  readonly qkNorm: "auto" | "fallback";
  readonly trace: boolean;
  readonly compare: boolean;
  readonly embed: boolean;
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

/** Parses the arguments; throws commander's own error for a wrong option, and for --help and --version. */
export function parseOptions(args: readonly string[], setting: Setting): Options {
  const command = addOptions(new Command(setting.name), setting);
  command.parse(args, { from: "user" });
  return Object.freeze(command.opts<Options>());
}

function addOptions(command: Command, { name, fallback }: Setting): Command {
  command
    .description(
      "Answers prompts, or talks, with a model whose every layer normalises q and k through applyQkNorm.\n" +
        "Answers go to stdout; what was measured, and warnings, to stderr.",
    )
    .version(version(), "-V, --version")
    .option("-p, --prompt <text...>", "what to answer, one after the other; - reads stdin")
    .option(
      "-f, --prompt-file <file...>",
      "prompts from files, each less one line end at its end; - reads stdin",
    )
    .addOption(
      new Option("--ids <ids>", "raw token ids to continue, such as 5,17,9")
        .argParser(parseTokenIds)
        .conflicts(["prompt", "promptFile", "messages", "interactive", "chat", "system", "tools"]),
    )
    .addOption(
      new Option("--messages <file>", "a conversation to answer: JSON, [{ role, content }]").conflicts([
        "prompt",
        "promptFile",
        "interactive",
        "system",
      ]),
    )
    .addOption(
      new Option(
        "-i, --interactive",
        "a conversation, a line a turn; default: when no prompt is given on a terminal",
      ).conflicts(["prompt", "promptFile"]),
    );
  addModelOptions(command, fallback)
    .optionsGroup("Chat (for models with a chat template):")
    .option("--system <text>", "what the conversation begins with")
    .option("--tools <file>", "tools that the template may offer: JSON")
    .option("--chat", "put the prompt through the model's chat template; default: when it has one")
    .option("--no-chat", "continue the prompt as it is")
    .option("--thinking", "let a chat model think before it answers (Qwen3's enable_thinking)", false)
    .optionsGroup("Sampling (default: what generation_config.json says):")
    .option(
      "-n, --max-tokens <count>",
      `stop after so many new tokens; default: generation_config.json's, or ${DEFAULT_MAX_TOKENS}`,
      positive,
    )
    .option("--temperature <t>", "0 takes the most likely token", number)
    .option("--top-k <k>", "keep the k most likely tokens; 0 and -1 keep all", topK)
    .option("--top-p <p>", "keep the most likely tokens that together reach p", number)
    .option("--min-p <p>", "keep tokens at least p times as likely as the most likely one", number)
    .option("--typical-p <p>", "keep the tokens of the most usual surprise that together reach p", number)
    .option("--epsilon-cutoff <p>", "keep tokens at least so probable", number)
    .option("--eta-cutoff <p>", "the same, but lower where many tokens are likely", number)
    .option("--repetition-penalty <x>", "divide the logits of what was said by it; 1 is off", aboveZero)
    .option("--presence-penalty <x>", "take it off the logits of what the answer has; 0 is off", twoAtMost)
    .option("--frequency-penalty <x>", "the same for each time that the answer has it; 0 is off", twoAtMost)
    .option("--seed <n>", "draw the same tokens again", integer)
    .optionsGroup("Output:")
    .addOption(
      new Option("--json", "one JSON object a line and answer: text, ids, finishReason, timings")
        .default(false)
        .conflicts(["compare", "trace"]),
    )
    .option("-q, --quiet", "the answers alone, and nothing on stderr but warnings and errors", false)
    .addOption(
      new Option(
        "--embed",
        "instead of an answer, the text as a vector: pooled, normalised, one JSON object a line and prompt",
      )
        .default(false)
        .conflicts(["interactive", "messages", "chat", "system", "tools", "compare", "trace"]),
    )
    .optionsGroup("Looking inside:")
    .addOption(
      new Option("--qk-norm <path>", "fallback runs the two norms one by one")
        .choices(["auto", "fallback"])
        .default("auto"),
    )
    .option("--trace", "per layer: the QK-norm plan, its time and its share of the forward pass", false)
    .addOption(
      new Option(
        "--compare",
        "one kernel for norm, RoPE and cache write, the fused norm, and the fallback side by side: tokens/s, and whether the texts agree",
      )
        .default(false)
        .conflicts(["interactive", "messages", "ids"]),
    );
  return command.addHelpText("after", examples(name)).allowExcessArguments(false).exitOverride();
}

function examples(name: string): string {
  return [
    "",
    "Examples:",
    `  ${name} -m ~/models/Qwen3-0.6B                            # talk; /help says how`,
    `  ${name} -m ~/models/Qwen3-0.6B -p "Why is the sky blue?"`,
    `  ${name} -m ~/models/Qwen3-0.6B -q < question.txt > answer.txt`,
    `  ${name} -m ~/models/Qwen3-0.6B --json -p "one" "two"      # a JSON object a line`,
    "",
  ].join("\n");
}

function version(): string {
  const file = new URL("../package.json", import.meta.url);
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}

function aboveZero(text: string): number {
  const value = number(text);
  if (value <= 0) throw new InvalidArgumentError("It must be a number above 0.");
  return value;
}

function twoAtMost(text: string): number {
  const value = number(text);
  if (Math.abs(value) > 2) throw new InvalidArgumentError("It must be a number from -2 to 2.");
  return value;
}

function topK(text: string): number {
  return text === "-1" ? 0 : integer(text);
}
