import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { Worker } from "node:worker_threads";
import { afterEach, describe, expect, it } from "vitest";
import { blasInfo, loadBinding, setThreadCount, threadCount } from "../src/index.ts";
import { codeOf } from "./ops-case.ts";
import { missing } from "./qk-norm-case.ts";

const run = promisify(execFile);
const loaded = loadBinding();
const path = loaded.binding === null ? "" : loaded.path;

// 512 x 256 times its transpose, over and over; the sums are whole numbers, so any slip shows.
const loop = `
  const addon = require(${JSON.stringify(path)});
  addon.setThreadCount(4);
  const x = Float32Array.from({ length: 64 * 256 }, (_, i) => (i * 7) % 5);
  const out = new Float32Array(64 * 64);
  const params = Float64Array.of(64, 256, 64, 0, 0, 256, 0, 0, 256, 0, 0, 0, 0, 64, 1, -1);
  let first = null;
  for (let round = 0; round < 300; round++) {
    out.fill(-1);
    addon.linear(params, x, x, null, out);
    const text = out.join();
    first ??= text;
    if (text !== first || out.includes(-1)) throw new Error("a loop lost a slice");
  }
`;

/** What a fresh process prints. */
async function inProcess(code: string, env: Record<string, string> = {}): Promise<string> {
  const { stdout } = await run(process.execPath, ["-e", code], {
    env: { ...process.env, ...env },
    timeout: 30_000,
  });
  return stdout.trim();
}

afterEach(() => setThreadCount(0));

describe.skipIf(missing !== "")(`the thread pool${missing}`, () => {
  it("counts threads, takes a number and goes back to its default", () => {
    const usual = threadCount();
    expect(usual).toBeGreaterThanOrEqual(1);
    setThreadCount(3);
    expect(threadCount()).toBe(3);
    setThreadCount(0);
    expect(threadCount()).toBe(usual);
    for (const bad of [-1, 1.5, 257, Number.NaN]) {
      expect(codeOf(() => setThreadCount(bad))).toBe("ERR_QKNORM_ARGUMENT");
    }
  });

  it("serves callers in several worker threads at once", async () => {
    const workers = Array.from({ length: 4 }, () => new Worker(loop, { eval: true }));
    const exits = workers.map(
      (worker) =>
        new Promise<number>((resolve, reject) => {
          worker.once("error", reject);
          worker.once("exit", resolve);
        }),
    );
    expect(await Promise.all(exits)).toEqual([0, 0, 0, 0]);
  });

  it("outlives the worker thread that loaded the addon, and lets the process end", async () => {
    // Node unloads an addon with its last user; the pool's threads are still running its code.
    const code = `
      const { Worker } = require("node:worker_threads");
      new Worker(${JSON.stringify(loop)}, { eval: true })
        .once("error", (error) => { throw error; })
        .once("exit", () => setTimeout(() => console.log("alive"), 100));
    `;
    expect(await inProcess(code)).toBe("alive");
  });

  it("closes a loop before the next begins, though most of its threads wake too late for it", async () => {
    const code = `
      const addon = require(${JSON.stringify(path)});
      addon.setThreadCount(64);
      const x = new Float32Array(256).fill(1), w = new Float32Array(4096 * 256).fill(1), out = new Float32Array(4096);
      const params = Float64Array.of(1, 256, 4096, 0, 0, 256, 0, 0, 256, 0, 0, 0, 0, 4096, 1, -1);
      for (let round = 0; round < 100; round++) addon.linear(params, x, w, null, out);
      console.log(out.every((sum) => sum === 256));
    `;
    expect(await inProcess(code)).toBe("true");
  });

  it("starts as QKNORM_THREADS says", async () => {
    const code = `console.log(require(${JSON.stringify(path)}).threadCount())`;
    expect(await inProcess(code, { QKNORM_THREADS: "7" })).toBe("7");
    expect(await inProcess(code, { QKNORM_THREADS: "99999999999999999999" })).toBe("256");
    for (const unusable of ["none", "0", "-3", "nan"])
      expect(await inProcess(code, { QKNORM_THREADS: unusable })).toBe(await inProcess(code));
  });

  it("finds OpenBLAS only where it may look", async () => {
    const code = `console.log(JSON.stringify(require(${JSON.stringify(path)}).blasInfo()))`;
    const off = JSON.parse(await inProcess(code, { QKNORM_BLAS: "off" }));
    expect(off).toEqual({ library: null, tried: ["none: QKNORM_BLAS=off"] });
    const nowhere = JSON.parse(await inProcess(code, { QKNORM_OPENBLAS: "/nowhere/libopenblas.so" }));
    expect(nowhere.library).toBeNull();
    expect(nowhere.tried).toHaveLength(1);
    expect(nowhere.tried[0]).toContain("/nowhere/libopenblas.so");
    const { library } = blasInfo();
    if (library !== null)
      expect(JSON.parse(await inProcess(code, { QKNORM_OPENBLAS: library })).library).toBe(library);
  });
});
