// watched.mjs LOG COMMAND [ARGUMENT ...]: runs a command, writes what it prints into LOG, and shows a terminal how far it is. A
// process of its own, so that set-up, which waits for it, need not be asynchronous. Ends with the command's status.
import { spawn } from "node:child_process";
import { createWriteStream } from "node:fs";
import { stderr } from "node:process";

const [log, command, ...args] = process.argv.slice(2);
const file = createWriteStream(log);
const start = performance.now();
let done = "";

const child = spawn(command, args, {
  stdio: ["ignore", "pipe", "pipe"],
  // Windows finds npx only as npx.cmd, which needs a shell.
  shell: process.platform === "win32",
});
for (const stream of [child.stdout, child.stderr]) {
  stream.pipe(file, { end: false });
  stream.on("data", (text) => {
    done = progressIn(String(text)) ?? done;
  });
}
const clock = stderr.isTTY ? setInterval(show, 500) : undefined;
child.on("error", (error) => file.write(`${error.message}\n`));
child.on("close", (status) => {
  clearInterval(clock);
  if (stderr.isTTY) stderr.write("\r\x1b[2K");
  file.end(() => process.exit(status ?? 1));
});

/** `31 of 74` of Ninja's lines, `42 %` of make's, the packages of pnpm's; `null` where a text says nothing of it. */
function progressIn(text) {
  const [, at, of, percent, packages] =
    [...text.matchAll(/\[(\d+)\/(\d+)\]|\[ *(\d+)%\]|^Progress: (.*)$/gm)].at(-1) ?? [];
  if (of !== undefined) return `${at} of ${of}`;
  if (percent !== undefined) return `${percent} %`;
  return packages ?? null;
}

function show() {
  const seconds = ((performance.now() - start) / 1000).toFixed(0);
  stderr.write(`\r\x1b[2K  ${[done, `${seconds} s`].filter(Boolean).join(", ")}`);
}
