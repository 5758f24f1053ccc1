import pc from "picocolors";
import { runCommand } from "./command.ts";

// `qknorm-codemod . | head` closes the pipe early; that is the reader's choice, not an error.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
});

const { exitCode, stdout, stderr } = await runCommand(process.argv.slice(2), {
  color: pc.isColorSupported && process.stdout.isTTY,
});
process.stdout.write(stdout);
process.stderr.write(stderr);
process.exitCode = exitCode;
