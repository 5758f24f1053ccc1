// An answer that is ended in the middle: by Ctrl-C, by the system, or because nobody reads any more.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { missing } from "../../../native/test/cuda-fake.ts";
import { chatCheckpoint, commandLine, withoutEnd } from "./run-command.ts";

const scratch = mkdtempSync(join(tmpdir(), "qknorm-endings-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const endless = withoutEnd(chatCheckpoint(join(scratch, "endless"), "{{ messages[0].content }}"));
const prompts = new Array<string>(50).fill("1+1=");
const onCpu = ["--kernels", "typescript"];
const onDevice = ["--device", "cuda:0", "--dtype", "f32"];
const scripts = new URL("../../../scripts/typescript.mjs", import.meta.url).href;

interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;
  readonly seconds: number;
}

/** Starts a program that answers for long, does `end` to it once the first token is shown, and says how it went. */
async function ended(
  [program, args]: readonly [string, readonly string[]],
  end: (child: ChildProcess) => void,
): Promise<Ending> {
  const child = spawn(program, args, {
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
    env: { ...process.env, NO_COLOR: "1", QKNORM_CACHE: join(scratch, "cache") },
  });
  let [stdout, stderr] = ["", ""];
  child.stderr.on("data", (chunk) => {
    stderr += chunk;
  });
  const exited = new Promise<[number | null, NodeJS.Signals | null]>((resolve) =>
    child.once("exit", (...how) => resolve(how)),
  );
  await new Promise<void>((resolve) => {
    child.stdout.on("data", (chunk) => {
      stdout += chunk;
      if (/> 1\+1=\n\S/.test(stdout)) resolve();
    });
    child.once("exit", () => resolve());
  });
  const before = performance.now();
  end(child);
  const [code, signal] = await exited;
  return { code, signal, stderr, seconds: (performance.now() - before) / 1000 };
}

const answering = (args: readonly string[]): readonly [string, readonly string[]] =>
  commandLine("run", ["--model", endless, ...args, "--prompt", ...prompts]);

describe("an answer on the CPU", () => {
  it.each(["SIGINT", "SIGTERM"] as const)(
    "ends at %s by that signal, as a shell expects, and says nothing",
    async (signal) => {
      const ending = await ended(answering(onCpu), (child) => child.kill(signal));
      expect(ending).toMatchObject({ code: null, signal, stderr: "" });
      expect(ending.seconds).toBeLessThan(2);
    },
  );
});

describe.skipIf(missing !== "")(`an answer by a captured graph, on a stand-in driver${missing}`, () => {
  it("ends at Ctrl-C by its signal, and says nothing", async () => {
    const ending = await ended(answering(onDevice), (child) => child.kill("SIGINT"));
    expect(ending).toMatchObject({ code: null, signal: "SIGINT", stderr: "" });
    expect(ending.seconds).toBeLessThan(2);
  });

  it("ends with 0, and quietly, when nobody reads it any more", async () => {
    const ending = await ended(answering(onDevice), (child) => child.stdout?.destroy());
    expect(ending).toMatchObject({ code: 0, signal: null });
    expect(ending.stderr).not.toMatch(/error|^\s+at /im);
  });
});

describe("what a script of the workspace starts", () => {
  const run = `import { runTypeScript } from ${JSON.stringify(scripts)};
    process.exitCode = await runTypeScript("packages/run/src/run-cli.ts", process.argv.slice(1));`;
  const args = ["--model", endless, ...onCpu, "--prompt", ...prompts];
  const program = [process.execPath, ["--input-type=module", "-e", run, "--", ...args]] as const;

  it("ends at Ctrl-C, which reaches all processes of a terminal, with 130, and says nothing", async () => {
    const ending = await ended(program, (child) => process.kill(-(child.pid as number), "SIGINT"));
    expect(ending).toMatchObject({ code: 128 + constants.signals.SIGINT, stderr: "" });
  });

  it("ends with the script when that alone is told to end", async () => {
    let group = 0;
    const ending = await ended(program, (child) => {
      group = child.pid as number;
      child.kill("SIGTERM");
    });
    expect(ending).toMatchObject({ code: 128 + constants.signals.SIGTERM, stderr: "" });
    expect(() => process.kill(-group, 0)).toThrow(/ESRCH/);
  });
});
