import { runCommand } from "./command/command.ts";
import { processTerminal } from "./formats/terminal.ts";

// `qknorm-codemod . | head` closes the pipe early; that is the reader's choice, not an error.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
});

const { exitCode, stdout, stderr } = await runCommand(process.argv.slice(2), processTerminal());
process.stdout.write(stdout);
process.stderr.write(stderr);
process.exitCode = exitCode;
