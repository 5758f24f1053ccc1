import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import { afterEach, beforeEach } from "vitest";
import { runCommand } from "../src/command/command.ts";
import type { Terminal } from "../src/formats/terminal.ts";

/** One copy that can be replaced: lines 5 and 6. */
export const step = `class Attention {
  run(x) {
    let q = this.qProj(x);
    let k = this.kProj(x);
    q = this.qNorm.forward(q.reshape([-1, this.headDim])).reshape(q.shape);
    k = this.kNorm.forward(k.reshape([-1, this.headDim])).reshape(k.shape);
    return this.attend(q, k);
  }
}
`;

/** One that is kept, on line 5: `one-sided`. */
export const onlyQ = step.replace(/.*kNorm.*\n/, "");

/** Two copies in one file. */
export const twice = `${step}${step.replace("Attention", "CrossAttention")}`;

/** A temporary folder for the models of one test; asked for anew before each. */
export class ModelFolder {
  path = "";

  constructor() {
    beforeEach(async () => {
      this.path = (await mkdtemp(join(tmpdir(), "qknorm-codemod-"))).replaceAll("\\", "/");
    });
    afterEach(() => rm(this.path, { recursive: true }));
  }

  async write(path: string, content: string | Buffer): Promise<void> {
    await mkdir(dirname(join(this.path, path)), { recursive: true });
    await writeFile(join(this.path, path), content);
  }

  read(path: string): Promise<string> {
    return readFile(join(this.path, path), "utf8");
  }

  async names(): Promise<readonly string[]> {
    return (await readdir(this.path)).sort();
  }

  git(...args: readonly string[]): string {
    const identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "core.autocrlf=false"];
    return execFileSync("git", ["-C", this.path, ...identity, ...args], { encoding: "utf8", stdio: "pipe" });
  }

  commitAll(): void {
    this.git("init", "-q");
    this.git("add", "-A");
    this.git("commit", "-qm", "models");
  }

  /** Runs the tool on the folder; `input` is what stands on standard input. */
  async run(
    args: readonly string[],
    { input = "", ...terminal }: Partial<Omit<Terminal, "input">> & { input?: string } = {},
  ) {
    const asked: string[] = [];
    const result = await runCommand([...args, this.path], {
      color: false,
      ask: (text) => asked.push(text),
      progress: undefined,
      ...terminal,
      input: Readable.from([Buffer.from(input)]),
    });
    return { ...result, asked: asked.join("") };
  }

  async report(...args: readonly string[]) {
    const { stdout, exitCode } = await this.run(["--json", ...args]);
    return { ...JSON.parse(stdout), exitCode };
  }
}
