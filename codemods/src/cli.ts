import { setFlagsFromString } from "node:v8";
import { runCommand } from "./command/command.ts";
import { processTerminal } from "./formats/terminal.ts";

// By itself the heap may grow to several times of what a large tree needs at once; the time is the same. A flag of Node's V8.
const { bun, deno } = process.versions;
if (bun === undefined && deno === undefined) setFlagsFromString("--heap-growing-percent=40");

// `qknorm-codemod . | head` closes the pipe early; that is the reader's choice, not an error.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
});

const { exitCode, stdout, stderr } = await runCommand(process.argv.slice(2), processTerminal());
process.stdout.write(stdout);
process.stderr.write(stderr);
process.exitCode = exitCode;
