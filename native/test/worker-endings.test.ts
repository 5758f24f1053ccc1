// Ending a worker, or the process, in the middle of a call of the addon. `npm run stress:workers` does it 300 times for
// each case; here a few are enough to see a case that fails at once.
import { execFileSync, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { loadBinding } from "../src/index.ts";
import { fakeLibrary, missing, notes, scripted } from "./cuda-fake.ts";

const rounds = Number(process.env.QKNORM_ENDINGS ?? 8);
const program = fileURLToPath(new URL("end-workers.mjs", import.meta.url));
const addon = loadBinding();
const timeout = 60_000 + rounds * 2000;

/** Calls that succeed, by name; every other function is called without arguments, and refuses. */
const arguments_: Readonly<Record<string, string>> = {
  cudaAllocate: "stream, 16, false",
  cudaCopy: "memory, 0, other, 0, 64, stream",
  cudaDevice: "0",
  cudaDownload: "bytes, memory, 0, stream",
  cudaEvent: "0, true",
  cudaEventElapsed: "event, event",
  cudaEventIsDone: "event",
  cudaEventRecord: "event, stream",
  cudaEventSynchronize: "event",
  cudaFill: "memory, 0, 64, 1, stream",
  cudaGraphInstantiate: "recorded()",
  cudaIsCapturing: "stream",
  cudaKernel: 'module, "scale", Float64Array.of(16, 0, 8, 12), false',
  cudaKernelInfo: "kernel",
  cudaModule: "0, image",
  cudaOccupancy: "kernel, 128, 0",
  cudaOpen: JSON.stringify(fakeLibrary),
  cudaPrepare: "16, 1",
  cudaPrepareKernel: "addon.cudaPrepare(16, 1).launch, kernel",
  cudaSetBudget: "0, 1e9",
  cudaStream: "0",
  cudaStreamIsDone: "stream",
  cudaStreamSynchronize: "stream",
  cudaStreamWait: "stream, event",
  cudaUpload: "memory, 0, bytes, stream",
  cudaUsage: "0",
  isLibraryLoaded: '"libcuda.so.1"',
  isaNumber: '"scalar"',
  loadLibrary: JSON.stringify(fakeLibrary),
  nvrtcCompile: '"kernel", "kernel.cu", "--gpu-architecture=sm_90"',
  nvrtcCompileAsync: '"kernel", "kernel.cu", "--gpu-architecture=sm_90"',
  nvrtcOpen: `${JSON.stringify(fakeLibrary)}, 1000`,
  setThreadCount: "2",
};

const functions = Object.entries(addon.binding ?? {}).flatMap(([name, value]) =>
  typeof value === "function" ? [name] : [],
);

/** Functions that a worker calls and nothing else: all of them where rounds are asked for, which takes 15 minutes. */
const alone =
  process.env.QKNORM_ENDINGS === undefined
    ? ["blasInfo", "availableIsas", "cudaDevice", "cudaUsage", "cudaDriver", "cudaPrepare", "nvrtcCompile"]
    : functions;

function call(name: string): string {
  // What is not freed would leave those that start no memory.
  if (name === "cudaAllocate") return `addon.cudaFree(addon.cudaAllocate(${arguments_.cudaAllocate}))`;
  return `addon.${name}(${arguments_[name] ?? ""})`;
}

/** How the process ends: "0" by itself, a number it exits with, or the signal that killed it and what it said. */
function ending(kind: "loading" | "calling" | "exit", calls: readonly string[]): Promise<string> {
  const path = addon.binding === null ? "" : addon.path;
  const task = JSON.stringify({ addon: path, fake: fakeLibrary, calls, rounds, ending: kind });
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program, task], { stdio: ["ignore", "ignore", "pipe"] });
    let said = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
    child.once("error", reject);
    child.once("close", (code, signal) =>
      resolve(signal === null ? `${code}${said && ` ${said}`}` : `${signal} ${said}`),
    );
  });
}

describe.skipIf(missing !== "")(`a worker that is ended${missing}`, () => {
  it("leaves the process alive while it loads the addon", { timeout }, async () => {
    expect(await ending("loading", [])).toBe("0");
  });

  it.each(alone)("leaves the process alive in %s", { timeout }, async (name) => {
    scripted();
    expect(await ending("calling", [call(name)])).toBe("0");
  });

  it("leaves the process alive with compilations in flight", { timeout }, async () => {
    scripted({ nap: 4 });
    expect(await ending("calling", [call("nvrtcCompileAsync")])).toBe("0");
    scripted({ nap: 4, nvrtcCompileProgram: 6 });
    expect(await ending("calling", [call("nvrtcCompileAsync")])).toBe("0");
    scripted();
  });

  it("does not begin compilations once the process exits, of those that wait for their turn", () => {
    scripted({ nap: 100 });
    notes();
    const code = `
      const addon = require(${JSON.stringify(addon.binding === null ? "" : addon.path)});
      addon.nvrtcOpen(${JSON.stringify(fakeLibrary)}, 1000);
      for (let i = 0; i < 30; i++) ${call("nvrtcCompileAsync")};
      process.exit(0);
    `;
    execFileSync(process.execPath, ["-e", code]);
    expect(notes().filter((note) => note.startsWith("compile ")).length).toBeLessThanOrEqual(2);
    scripted();
  });

  it("compiles all of those that wait while the process goes on, two at once", () => {
    scripted({ nap: 2 });
    notes();
    const code = `
      const addon = require(${JSON.stringify(addon.binding === null ? "" : addon.path)});
      addon.nvrtcOpen(${JSON.stringify(fakeLibrary)}, 1000);
      Promise.all(Array.from({ length: 30 }, () => ${call("nvrtcCompileAsync")})).then((all) => console.log(all.length));
    `;
    expect(execFileSync(process.execPath, ["-e", code], { encoding: "utf8" }).trim()).toBe("30");
    const seen = notes();
    expect(seen.filter((note) => note.startsWith("compile ")).length).toBe(30);
    expect(new Set(seen.filter((note) => note.startsWith("at once ")))).toEqual(
      new Set(["at once 1", "at once 2"]),
    );
    scripted();
  });

  it("leaves the process alive in every function of the addon", { timeout }, async () => {
    scripted();
    expect(functions.length).toBeGreaterThan(40);
    expect(functions).toEqual(expect.arrayContaining(Object.keys(arguments_)));
    expect(await ending("calling", functions.map(call))).toBe("0");
    expect(
      await ending(
        "calling",
        functions.map((name) => `addon.${name}()`),
      ),
    ).toBe("0");
  });

  it("does not change the number that the process exits with", { timeout }, async () => {
    scripted({ nap: 4 });
    const busy = ["availableIsas", "cudaDevice", "cudaPrepare", "nvrtcCompileAsync"].map(call);
    for (let round = 0; round < rounds; round++) expect(await ending("exit", busy)).toBe("7");
    scripted();
  });
});
