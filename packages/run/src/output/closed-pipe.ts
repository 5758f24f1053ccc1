/**
 * Ends the process at once when its output cannot be written: quietly and as a success when whoever reads it has gone,
 * as after `| head`, and in one sentence otherwise, as for a full disk. Twice is as once.
 */
export function endWithItsReader(): void {
  process.stdout.off("error", endForStdout).on("error", endForStdout);
  process.stderr.off("error", endForStderr).on("error", endForStderr);
}

function endForStdout(error: NodeJS.ErrnoException): never {
  if (error.code === "EPIPE") process.exit(0);
  process.stderr.write(`error: the output cannot be written (${error.code ?? error.message})\n`);
  process.exit(1);
}

function endForStderr(error: NodeJS.ErrnoException): never {
  process.exit(error.code === "EPIPE" ? 0 : 1);
}
