import { resolve } from "node:path";
import { loadModel } from "@qknorm/models";
import { type KernelChoice, useKernels } from "@qknorm/tensor";
import { Command, Option } from "commander";
import { explainFailure } from "../failure.ts";
import { positive } from "../option-values.ts";
import { reportLogits } from "./logits.ts";
import { parseTokenIds } from "./token-ids.ts";

interface LogitsOptions {
  readonly model: string;
  readonly ids: readonly number[];
  readonly device: "cpu";
  readonly dtype?: "f32" | "bf16" | "f16";
  readonly rounding: "hf" | "once";
  readonly kernels: KernelChoice;
  readonly generate?: number;
}

function parse(args: readonly string[]): LogitsOptions {
  const command = new Command("qknorm-logits")
    .description(
      'The logits of some tokens as one JSON object: { "modelType", "ids", "shape": [T, V], "logits": [[...]] }.\n' +
        "A number that is not finite is null. Nothing else goes to stdout.",
    )
    .requiredOption("-m, --model <folder>", "a Hugging Face model folder: config.json, safetensors")
    .requiredOption("--ids <ids>", "token ids, such as 5,17,9", parseTokenIds)
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
    .option(
      "--generate <count>",
      'also "generated": what greedy decoding continues with, at most so many tokens; an end-of-text token is the last',
      positive,
    )
    .allowExcessArguments(false)
    .exitOverride();
  command.parse(args, { from: "user" });
  return command.opts<LogitsOptions>();
}

try {
  const options = parse(process.argv.slice(2));
  useKernels(options.kernels);
  const loaded = await loadModel(resolve(options.model), {
    dtype: options.dtype,
    rounding: options.rounding,
  });
  const report = await reportLogits(loaded, options.ids, options.generate);
  process.stdout.write(`${JSON.stringify(report)}\n`);
} catch (error) {
  process.exitCode = explainFailure(error);
}
