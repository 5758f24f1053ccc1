import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { availableIsas, loadBinding } from "../src/index.ts";
import { isas, missing } from "./qk-norm-case.ts";

const entry = new URL("../src/index.ts", import.meta.url).href;
const root = fileURLToPath(new URL("../..", import.meta.url));

// Whatever this run was started with is not what these tests are about.
const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("QKNORM_")));

// A process of its own: the addon and its settings are read once.
function inProcess(env: Record<string, string>, body: string): unknown {
  const script = `import(${JSON.stringify(entry)}).then((native) => {
    const attempt = (run) => { try { return run(); } catch (error) { return { code: error.code, message: error.message }; } };
    process.stdout.write(JSON.stringify((${body})(native, attempt)));
  });`;
  const args = ["--conditions=@qknorm/source", "--import", "tsx", "--input-type=module", "-e", script];
  return JSON.parse(
    execFileSync(process.execPath, args, { cwd: root, env: { ...clean, ...env }, encoding: "utf8" }),
  );
}

describe("the loader", () => {
  it("goes without the addon when QKNORM_NATIVE is off, says so, and every call does too", () => {
    const { loaded, failed } = inProcess(
      { QKNORM_NATIVE: "off" },
      "(native, attempt) => ({ loaded: native.loadBinding(), failed: attempt(() => native.cpuIsa()) })",
    ) as { loaded: unknown; failed: { code: string; message: string } };
    expect(loaded).toEqual({
      binding: null,
      reason: "QKNORM_NATIVE=off switches it off",
      remedy: null,
    });
    expect(failed.code).toBe("ERR_NATIVE");
    expect(failed.message).toContain("QKNORM_NATIVE=off");
  });

  it("gives the path and the reason when the named file is missing, no addon, or of another version", () => {
    const folder = mkdtempSync(join(tmpdir(), "qknorm-"));
    try {
      const text = join(folder, "text.node");
      writeFileSync(text, "not a library");
      const old = join(folder, "old.js");
      writeFileSync(old, "module.exports = { abi: 0 };");
      const reasonOf = (path: string) =>
        (
          inProcess({ QKNORM_NATIVE_PATH: path }, "(native) => native.loadBinding()") as {
            binding: null;
            reason: string;
          }
        ).reason;
      expect(reasonOf(join(folder, "none.node"))).toMatch(/not there: .*none\.node/);
      expect(reasonOf(text)).toMatch(/text\.node cannot be opened: /);
      expect(reasonOf(old)).toMatch(/old\.js speaks version 0 of the binding, this package \d+$/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  // As a full disk or a broken download leaves it; the system's loader ends the process on such a file.
  it.skipIf(missing || process.platform !== "linux")(
    `goes without an addon that is cut off at any length, and says so in one line${missing}`,
    () => {
      const folder = mkdtempSync(join(tmpdir(), "qknorm-"));
      try {
        const { path } = loadBinding() as { path: string };
        const whole = readFileSync(path);
        // Within what is loaded: symbols for debugging, as of a build with sanitizers, stand behind it.
        const lengths = [0, 1, 63, 64, 500, 5_000, 50_000];
        for (const length of lengths) {
          const cut = join(folder, `cut-${length}.node`);
          writeFileSync(cut, whole.subarray(0, length));
          const { reason } = inProcess({ QKNORM_NATIVE_PATH: cut }, "(native) => native.loadBinding()") as {
            reason: string;
          };
          expect(reason).toMatch(
            length < 64 ? /cannot be opened: file too short$/ : / is cut off: \d+ of at least \d+ bytes$/,
          );
          expect(reason.split(cut)).toHaveLength(2);
        }
      } finally {
        rmSync(folder, { recursive: true });
      }
    },
  );

  it.skipIf(missing)(`takes the instruction set that QKNORM_CPU_ISA names${missing}`, () => {
    expect(isas).toEqual(availableIsas());
    expect(isas[0]).toBe("scalar");
    for (const isa of isas)
      expect(inProcess({ QKNORM_CPU_ISA: isa }, "(native) => native.cpuIsa()")).toBe(isa);
    // Products of bf16 pairs are taken on AMD's processors alone: native/cpu/isa.cc.
    const last = isas.at(-1);
    const best = last === "avx512bf16" && !cpus()[0]?.model.includes("AMD") ? "avx512" : last;
    expect(inProcess({ QKNORM_CPU_ISA: "" }, "(native) => native.cpuIsa()")).toBe(best);
  });

  it.skipIf(missing)(
    `refuses an unknown QKNORM_CPU_ISA at every call, naming the available ones${missing}`,
    () => {
      const failures = inProcess(
        { QKNORM_CPU_ISA: "sse9" },
        "(native, attempt) => [attempt(() => native.cpuIsa()), attempt(() => native.cpuIsa())]",
      ) as { code: string; message: string }[];
      for (const failure of failures) {
        expect(failure.code).toBe("ERR_QKNORM_ARGUMENT");
        expect(failure.message).toContain('QKNORM_CPU_ISA is "sse9"');
        expect(failure.message).toContain(`available: ${isas.join(", ")}`);
      }
    },
  );
});
