/**
 * Ends the process at once when its output cannot be written: quietly and as a success when whoever reads it has gone,
 * as after `| head`, and in one sentence otherwise, as for a full disk.
 */
export function endWithItsReader(): void {
  const end = (error: NodeJS.ErrnoException): never => {
    if (error.code === "EPIPE") process.exit(0);
    process.stderr.write(`error: the output cannot be written (${error.code ?? error.message})\n`);
    process.exit(1);
  };
  process.stdout.on("error", end);
  process.stderr.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 1));
}
