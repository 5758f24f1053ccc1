import { Worker } from "node:worker_threads";
import { afterAll, describe, expect, it } from "vitest";
import type { BindingModule } from "../src/binding.ts";
import { loadBinding, openCuda } from "../src/index.ts";
import { fakeLibrary, inProcess, missing, scripted } from "./cuda-fake.ts";

// What kernels tell there, packages/tensor/test/index-faults-suite.ts says.
const loaded = loadBinding();
const binding = loaded.binding as BindingModule;

describe.skipIf(missing !== "")(`where kernels tell of an index out of range${missing}`, () => {
  afterAll(() => scripted());

  it("is one place of a device for each thread, so that nobody is told of another's", async () => {
    scripted();
    openCuda();
    const own = binding.cudaFaults(0);
    const worker = new Worker(
      `const addon = require(${JSON.stringify(loaded.binding === null ? "" : loaded.path)});
       require("node:worker_threads").parentPort.postMessage([0, 0, 1].map((device) => addon.cudaFaults(device)));`,
      { eval: true },
    );
    const others = await new Promise<number[]>((resolve, reject) => {
      worker.once("message", resolve).once("error", reject);
    });
    const [first, again, second] = others as [number, number, number];
    expect([binding.cudaFaults(0), again]).toEqual([own, first]);
    expect(new Set([own, first, second, binding.cudaFaults(1)]).size).toBe(4);
  });

  it("is asked for by the first launch that has an index, and its lack is an error of that call alone", () => {
    scripted({ cuMemHostAlloc: 2 });
    const outcome = inProcess(
      { QKNORM_LIBCUDA: fakeLibrary },
      `async (native, attempt) => {
        native.openCuda();
        const { cudaFaults } = native.loadBinding().binding;
        const failed = attempt(() => cudaFaults(0));
        (await import("node:fs")).writeFileSync(process.env.QKNORM_FAKE, "");
        return [failed.code, failed.message, cudaFaults(0) > 0];
      }`,
    );
    expect(outcome).toEqual([
      "ERR_CUDA",
      expect.stringContaining("the page that kernels tell faults in"),
      true,
    ]);
  });
});
