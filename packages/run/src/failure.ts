import { QkNormError } from "@qknorm/core";
import { CommanderError } from "commander";
import pc from "picocolors";

/** What the caller did and can mend, such as `--chat` for a model that has no template. The message is one sentence. */
export class UsageError extends Error {}

/** Says on stderr, in one sentence, what the caller did wrong, and returns the exit code; anything else is ours, and keeps its stack. */
export function explainFailure(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 1;
  if (error instanceof QkNormError || error instanceof UsageError) {
    process.stderr.write(`${pc.red("error:")} ${error.message}\n`);
    return 1;
  }
  throw error;
}
