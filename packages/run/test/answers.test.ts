import { describe, expect, it } from "vitest";
import { ask } from "./run-command.ts";

describe("qknorm-run", () => {
  it("prints the prompt and its answer, the speed, and what ran", () => {
    const { code, stdout, stderr } = ask(["--prompt", "127+456="]);
    expect(stdout).toContain("127+456=583");
    expect(stdout).toMatch(/prefill \d+ tokens\/s, decode \d+ tokens\/s/);
    expect(stdout).toMatch(/qwen3 in bf16 on .+ kernels.*; QK norm: fused by cpu-/);
    expect(stderr).toBe("");
    expect(code).toBe(0);
  });

  it("answers several prompts in turn", () => {
    const { stdout } = ask(["--prompt", "1+1=", "20+30="]);
    expect(stdout).toMatch(/1\+1=2 .*\n20\+30=50 /);
  });

  it.each(["f32", "f16", "bf16"])("runs in %s", (dtype) => {
    const { code, stdout } = ask(["--prompt", "999+1=", "--dtype", dtype]);
    expect(stdout).toContain("999+1=1000");
    expect(stdout).toContain(`in ${dtype}`);
    expect(code).toBe(0);
  });

  it("answers without the addon, and says why it is slow", () => {
    const { code, stdout } = ask(["--prompt", "127+456="], { QKNORM_NATIVE: "off" });
    expect(stdout).toContain("127+456=583");
    expect(stdout).toMatch(/on TypeScript kernels \(.*QKNORM_NATIVE.*\)/);
    expect(code).toBe(0);
  });

  it("stops after --max-tokens", () => {
    const { stdout } = ask(["--prompt", "9999+1=", "--max-tokens", "2"]);
    expect(stdout).toContain("9999+1=10 ");
  });

  it("draws the same tokens again from the same seed", () => {
    const args = ["--prompt", "12+", "--temperature", "3", "--max-tokens", "12", "--no-chat"];
    const texts = ["7", "7", "8"].map((seed) => ask([...args, "--seed", seed]).stdout.split("   ")[0]);
    expect(texts[0]).toBe(texts[1]);
    expect(texts[0]).not.toBe(texts[2]);
  });

  it("traces each layer's plan, time and share", () => {
    const { stdout } = ask(["--prompt", "127+456=", "--trace"]);
    expect(stdout).toMatch(/prefill, 1 pass of/);
    expect(stdout).toMatch(/decode, 3 passes of/);
    const layers = stdout.match(
      /^ +\d+ +[\d.]+ (us|ms) +[\d.]+ % +fused by cpu-.*, in place: 8 tokens, 4 query heads and 2 KV heads of 64$/gm,
    );
    expect(layers).toHaveLength(6);
  });

  it("compares the fused path with the fallback", () => {
    const { stdout, code } = ask(["--prompt", "127+456=", "--compare"]);
    expect(stdout).toMatch(/127\+456= +583 +\d+ +583 +\d+ +same text/);
    expect(stdout).toMatch(/fused: .*QK norm: fused by cpu-/);
    expect(stdout).toMatch(/fallback: .*QK norm: two norms, one after the other/);
    expect(code).toBe(0);
  });

  it("explains itself with --help", () => {
    const { stdout, code } = ask(["--help"]);
    for (const option of [
      "--prompt",
      "--model",
      "--device",
      "--max-tokens",
      "--top-p",
      "--trace",
      "--compare",
    ]) {
      expect(stdout).toContain(option);
    }
    expect(code).toBe(0);
  });
});
