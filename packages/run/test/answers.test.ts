import { describe, expect, it } from "vitest";
import { askOutside } from "./run-command.ts";
import { ask } from "./run-here.ts";

describe("qknorm-run", () => {
  it("prints the prompt, marked, and its answer; the speed and what ran go to stderr", async () => {
    const { code, stdout, stderr } = askOutside(["--prompt", "127+456="]);
    expect(stdout).toBe("> 127+456=\n583\n");
    expect(stderr).toMatch(/^8 tokens in, 3 out: prefill \d+ tokens\/s, decode \d+ tokens\/s$/m);
    expect(stderr).toMatch(/^qwen3 in bf16 on .+ kernels.*; QK norm: norm, rope and write fused by cpu-/m);
    expect(code).toBe(0);
  });

  it("answers several prompts in turn", async () => {
    const { stdout } = await ask(["--prompt", "1+1=", "20+30="]);
    expect(stdout).toBe("> 1+1=\n2\n> 20+30=\n50\n");
  });

  it.each(["f32", "f16", "bf16"])("runs in %s", async (dtype) => {
    const { code, stdout, stderr } = await ask(["--prompt", "999+1=", "--dtype", dtype]);
    expect(stdout).toContain("\n1000\n");
    expect(stderr).toContain(`in ${dtype}`);
    expect(code).toBe(0);
  });

  it("answers without the addon, and says why it is slow", async () => {
    const { code, stdout, stderr } = askOutside(["--prompt", "127+456="], { env: { QKNORM_NATIVE: "off" } });
    expect(stdout).toContain("\n583\n");
    expect(stderr).toMatch(/on TypeScript kernels \(.*QKNORM_NATIVE.*\)/);
    expect(code).toBe(0);
  });

  it("stops after --max-tokens, and says so", async () => {
    const { stdout, stderr } = await ask(["--prompt", "9999+1=", "--max-tokens", "2"]);
    expect(stdout).toContain("\n10\n");
    expect(stderr).toMatch(/2 out: .*; cut off at --max-tokens$/m);
  });

  it("says that the context is full", async () => {
    const long = `${"1+".repeat(126)}1=`; // 254 of 256 tokens, and the model adds four digits or so
    const { stderr } = await ask(["--prompt", long, "--temperature", "0.01"]);
    expect(stderr).toMatch(/254 tokens in, \d out: .*/);
    const { stderr: full } = await ask([
      "--prompt",
      `${"9".repeat(255)}=`,
      "--temperature",
      "9",
      "--seed",
      "1",
    ]);
    expect(full).toMatch(/256 tokens in, 1 out: .*; the context is full$/m);
  });

  it("draws the same tokens again from the same seed", async () => {
    const args = ["--prompt", "12+", "--temperature", "3", "--max-tokens", "12", "--no-chat"];
    const texts: string[] = [];
    for (const seed of ["7", "7", "8"]) texts.push((await ask([...args, "--seed", seed])).stdout);
    expect(texts[0]).toBe(texts[1]);
    expect(texts[0]).not.toBe(texts[2]);
  });

  it("says other things under a repetition penalty", async () => {
    const answer = async (penalty: string) =>
      (await ask(["-q", "--prompt", "1111+1111=", "--repetition-penalty", penalty])).stdout;
    expect(await answer("1")).toBe("2222\n");
    expect(await answer("100")).not.toContain("22");
  });

  it("says other things where what was said is less wanted, once or each time", async () => {
    const long = ["-q", "--prompt", "12+", "--max-tokens", "24", "--no-chat"];
    const texts: string[] = [];
    for (const penalty of [[], ["--presence-penalty", "2"], ["--frequency-penalty", "2"]])
      texts.push((await ask([...long, ...penalty])).stdout);
    expect(new Set(texts).size).toBe(3);
  });

  it("draws from what every kind of cut leaves", async () => {
    const hot = ["-q", "--prompt", "127+456=", "--temperature", "2", "--seed", "3"];
    for (const cut of ["--top-k=1", "--top-p=0", "--min-p=1", "--epsilon-cutoff=0.9"])
      expect([cut, (await ask([...hot, cut])).stdout]).toEqual([cut, "583\n"]);
    const { stdout } = await ask([...hot, "--top-k", "-1"]);
    expect(stdout).toBe((await ask([...hot, "--top-k", "0"])).stdout);
  });

  it("makes vectors of texts with --embed", async () => {
    const { stdout, code } = await ask(["--embed", "--prompt", "1+1=", "2+2="]);
    const lines = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines.map(({ prompt, promptIds }) => [prompt, promptIds])).toEqual([
      ["1+1=", [49, 43, 49, 61]],
      ["2+2=", [50, 43, 50, 61]],
    ]);
    for (const { embedding } of lines) expect(Math.hypot(...embedding)).toBeCloseTo(1, 5);
    expect(lines[0].embedding).not.toEqual(lines[1].embedding);
    expect(code).toBe(0);
  });

  it("traces each layer's plan, time and share", async () => {
    const { stdout } = await ask(["--prompt", "127+456=", "--trace"]);
    expect(stdout).toMatch(/prefill, 1 pass of/);
    expect(stdout).toMatch(/decode, 3 passes of/);
    const layers = stdout.match(
      /^ +\d+ +[\d.]+ (us|ms) +[\d.]+ % +norm, rope and write fused by cpu-.*, in place: 8 tokens, 4 query heads and 2 KV heads of 64$/gm,
    );
    expect(layers).toHaveLength(6);
  });

  it("compares the chain with the fused norm and with the fallback", async () => {
    const { stdout, code } = await ask(["--prompt", "127+456=", "--compare"]);
    expect(stdout).toMatch(/127\+456= +583 +\d+ +583 +\d+ +583 +\d+ +same text/);
    expect(stdout).toMatch(/chain: .*QK norm: norm, rope and write fused by cpu-/);
    expect(stdout).toMatch(/fused: .*QK norm: fused by cpu-/);
    expect(stdout).toMatch(/fallback: .*QK norm: two norms, one after the other/);
    expect(code).toBe(0);
  });

  it("explains itself with --help, and tells its version", async () => {
    const { stdout, code } = await ask(["--help"]);
    for (const option of ["--prompt", "--model", "--device", "--max-tokens", "--top-p", "--trace", "--json"])
      expect(stdout).toContain(option);
    expect(stdout).toContain("or 1024");
    expect(code).toBe(0);
    expect((await ask(["--version"])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});
