import type { ForwardTrace } from "@qknorm/models";
import { useKernels } from "@qknorm/tensor";
import pc from "picocolors";
import { compare } from "./compare.ts";
import { explainFailure } from "./failure.ts";
import { type Options, parseOptions, type Setting } from "./options.ts";
import { describeRun, describeSpeed, traceTable } from "./report.ts";
import { Session } from "./session.ts";

/** Runs the command line; 0 when every prompt was answered, 1 for anything the caller can mend. */
export function run(args: readonly string[], setting: Setting): number {
  try {
    const options = parseOptions(args, setting);
    if (options.prompts.length === 0) {
      process.stderr.write('Give a prompt: --prompt "..."\n');
      return 1;
    }
    useKernels(options.kernels);
    if (options.compare) process.stdout.write(`${compare(options)}\n`);
    else answerAll(options);
    return 0;
  } catch (error) {
    return explainFailure(error);
  }
}

function answerAll(options: Options): void {
  const session = new Session(options);
  for (const prompt of options.prompts) {
    const traces: ForwardTrace[] = [];
    const answer = session.answer(prompt, {
      onStart: () => process.stdout.write(pc.dim(prompt)),
      onText: (piece) => process.stdout.write(pc.bold(piece)),
      onTrace: options.trace ? (trace) => traces.push(trace) : undefined,
    });
    process.stdout.write(`   ${pc.dim(describeSpeed(answer))}\n`);
    if (options.trace) process.stdout.write(`${traceTable(traces)}\n`);
  }
  process.stdout.write(`${pc.dim(describeRun(session))}\n`);
}
