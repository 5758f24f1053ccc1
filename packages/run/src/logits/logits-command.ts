import { loadModel } from "@qknorm/models";
import { Command } from "commander";
import { explainFailure } from "../failure.ts";
import { addModelOptions, type ModelOptions, openWith } from "../model-options.ts";
import { positive } from "../option-values.ts";
import { endWithItsReader } from "../output/closed-pipe.ts";
import { reportLogits } from "./logits.ts";
import { parseTokenIds } from "./token-ids.ts";

interface LogitsOptions extends ModelOptions {
  readonly ids: readonly number[];
  readonly generate?: number;
}

/** Runs the command line; 0 when the logits were printed, 1 for anything the caller can mend. */
export async function logits(args: readonly string[]): Promise<number> {
  endWithItsReader();
  try {
    const options = parse(args);
    const report = await reportLogits(await openWith(loadModel, options), options.ids, options.generate);
    process.stdout.write(`${JSON.stringify(report)}\n`);
    return 0;
  } catch (error) {
    return explainFailure(error);
  }
}

function parse(args: readonly string[]): LogitsOptions {
  const command = new Command("qknorm-logits").description(
    'The logits of some tokens as one JSON object: { "modelType", "ids", "shape": [T, V], "logits": [[...]] }.\n' +
      "A number that is not finite is null. Nothing else goes to stdout.",
  );
  addModelOptions(command)
    .requiredOption("--ids <ids>", "token ids, such as 5,17,9", parseTokenIds)
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
