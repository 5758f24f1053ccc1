import { fileURLToPath } from "node:url";
import { createContext, runInContext } from "node:vm";
import { build } from "esbuild";
import { expect, test } from "vitest";

const folder = fileURLToPath(new URL("..", import.meta.url));

/** A bundle for a browser of a module with this text, and every file that went into it. */
async function bundled(contents: string): Promise<{ code: string; inputs: string[] }> {
  const { outputFiles, metafile } = await build({
    stdin: { contents, resolveDir: folder, loader: "ts" },
    bundle: true,
    write: false,
    metafile: true,
    platform: "browser",
    format: "iife",
    globalName: "answer",
    conditions: ["@qknorm/source"],
    // Opened on demand, and never in a browser.
    external: ["@qknorm/native/cuda"],
    logLevel: "silent",
  });
  return { code: outputFiles[0]?.text as string, inputs: Object.keys(metafile.inputs) };
}

/** What the module exports, run where a browser's globals are and nothing of Node. */
function run(code: string): { result: number[]; running: string } {
  const context = createContext({ console, performance, TextDecoder, TextEncoder });
  return runInContext(`${code}; answer`, context) as never;
}

test("core and tensor bundle for a browser with nothing of Node, and applyQkNorm runs fused in the bundle", async () => {
  const { code, inputs } = await bundled(`
    import { applyQkNorm, planQkNorm } from "@qknorm/core";
    import { kernelStatus, normalize, Tensor } from "@qknorm/tensor";
    const weight = Tensor.from([1, 2, 3, 4, 5, 6, 7, 8]);
    const spec = { kind: "rms", axis: "head", weight, eps: 0, weightOffset: 0, rounding: "once" };
    const norm = { spec, forward: (x) => normalize(x, spec) };
    const qkv = Tensor.from(Array.from({ length: 24 }, () => 2), [1, 24]);
    const [q, k] = qkv.split(1, [8, 8, 8]);
    export const plan = planQkNorm({ q, k, qNorm: norm, kNorm: norm, headDim: 8 });
    applyQkNorm(q, k, norm, norm, 8);
    export const result = [...qkv.toNumbers()];
    export const running = kernelStatus().running;
  `);
  expect(inputs.filter((path) => /native\/src|backends\/cpu\/native\/(?!absent)/.test(path))).toEqual([]);
  expect(code).not.toMatch(/["']node:/);
  const answer = run(code) as unknown as { result: number[]; running: string; plan: unknown };
  expect(answer.plan).toMatchObject({ path: "fused", provider: "cpu-typescript", inPlace: true });
  expect(answer.running).toBe("TypeScript kernels");
  expect(answer.result).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8, ...new Array(8).fill(2)]);
});

test("core bundles by itself to a few kilobytes", async () => {
  const { code, inputs } = await bundled(`export { applyQkNorm } from "@qknorm/core";`);
  expect(inputs.every((path) => path.includes("core/src") || path === "<stdin>")).toBe(true);
  expect(code).not.toMatch(/["']node:/);
});
