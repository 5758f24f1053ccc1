import { Worker } from "node:worker_threads";
import * as fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { fuzz, fuzzTimeout } from "../../packages/core/test/fuzz.ts";
import type { BindingModule } from "../src/binding.ts";
import {
  CudaGraph,
  CudaKernel,
  CudaMemory,
  CudaStream,
  cudaUsage,
  loadBinding,
  openCuda,
} from "../src/index.ts";
import { failureOf, missing, notes, scripted } from "./cuda-fake.ts";

// The addon itself, whatever it is called with: it returns or throws an Error with a code that we know.
const codes = new Set([
  ...[
    "ERR_QKNORM_DTYPE",
    "ERR_QKNORM_DEVICE",
    "ERR_QKNORM_LAYOUT",
    "ERR_QKNORM_OVERLAP",
    "ERR_QKNORM_ARGUMENT",
  ],
  ...["ERR_QKNORM_SCOPE", "ERR_CUDA", "ERR_NVRTC", "ERR_NATIVE"],
]);

const loaded = loadBinding();
const binding = loaded.binding as BindingModule;
// Opening a library by a random name is not random enough to be safe, and captures are begun below on purpose.
const left = new Set(["cudaOpen", "loadLibrary", "nvrtcOpen", "nvrtcCompileAsync"]);
const names = Object.keys(binding ?? {}).filter(
  (name) => /^(cuda|nvrtc|isLib)/.test(name) && !left.has(name),
);

const bytes = () => Uint8Array.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, ...Array(200).fill(255)]);
const badNumber = [
  -1,
  0,
  0.5,
  1,
  2,
  16,
  255,
  2 ** 31,
  2 ** 32,
  2 ** 52,
  2 ** 53 - 1,
  2 ** 64,
  Number.NaN,
  1e308,
];

describe.skipIf(missing !== "")(`the CUDA functions of the addon${missing}`, () => {
  afterAll(() => scripted());

  it("take back what a worker thread leaves behind, an open capture included", async () => {
    scripted();
    const before = cudaUsage(0).liveBytes;
    const worker = new Worker(
      `const addon = require(${JSON.stringify(loaded.binding === null ? "" : loaded.path)});
       const { parentPort } = require("node:worker_threads");
       const stream = addon.cudaStream(0);
       addon.cudaAllocate(stream, 1 << 20, false);
       addon.cudaCaptureBegin(stream);
       addon.cudaFill(addon.cudaAllocate(stream, 1 << 20, false), 0, 8, 1, stream);
       parentPort.postMessage({ stream, live: addon.cudaUsage(0).liveBytes });`,
      { eval: true },
    );
    // A worker that ends may give its last message and its end in one turn.
    const ended = new Promise((resolve) => worker.once("exit", resolve));
    const message = await new Promise<{ stream: number; live: number }>((resolve, reject) => {
      worker.once("message", resolve).once("error", reject);
    });
    await ended;
    expect(message.live).toBe(before + 2 * 2 ** 20);
    expect(cudaUsage(0).liveBytes).toBe(before);
    expect(() => binding.cudaStreamSynchronize(message.stream)).toThrow(/has been freed/);
  });

  it("refuse to end a capture from another thread", async () => {
    const stream = new CudaStream(0);
    const graph = CudaGraph.capture(stream, () => {});
    binding.cudaCaptureBegin(stream.handle);
    const worker = new Worker(
      `const addon = require(${JSON.stringify(loaded.binding === null ? "" : loaded.path)});
       try { addon.cudaCaptureEnd(${stream.handle}); } catch (error) {
         require("node:worker_threads").parentPort.postMessage([error.code, error.message]);
       }`,
      { eval: true },
    );
    const failure = await new Promise((resolve) => worker.once("message", resolve));
    expect(failure).toEqual([
      "ERR_QKNORM_SCOPE",
      "another thread began this capture, and only it can end it",
    ]);
    binding.cudaFree(binding.cudaCaptureEnd(stream.handle));
    graph.replay(stream);
  });

  it("free memory that another thread's captured stream has used only when that capture is over", async () => {
    scripted();
    const [home, visitor] = [new CudaStream(0), new CudaStream(0)];
    const before = cudaUsage(0).liveBytes;
    const memory = new CudaMemory(home, 64);
    memory.fill(1, visitor);
    const worker = new Worker(
      `const addon = require(${JSON.stringify(loaded.binding === null ? "" : loaded.path)});
       const { parentPort } = require("node:worker_threads");
       addon.cudaCaptureBegin(${visitor.handle});
       parentPort.once("message", () => {
         addon.cudaFree(addon.cudaCaptureEnd(${visitor.handle}));
         parentPort.postMessage("ended");
       });
       parentPort.postMessage("begun");`,
      { eval: true },
    );
    const said = () => new Promise((resolve) => worker.once("message", resolve));
    expect(await said()).toBe("begun");
    notes();
    memory.free();
    expect(cudaUsage(0).liveBytes).toBe(before + 64);
    worker.postMessage("end");
    expect(await said()).toBe("ended");
    new CudaMemory(home, 16).free();
    expect(cudaUsage(0).liveBytes).toBe(before);
    expect(notes().filter((note) => /in a graph|dead/.test(note))).toEqual([]);
  });

  it("tell a layout of a kernel that is empty from one without parameters", () => {
    scripted();
    openCuda();
    const module = binding.cudaModule(0, new TextEncoder().encode(".version 8.0 .target sm_90"));
    const failure = (layout: Float64Array) =>
      failureOf(() => binding.cudaKernel(module, "scale", layout, false));
    expect(failure(new Float64Array(0))).toMatchObject({
      code: "ERR_QKNORM_ARGUMENT",
      message: "layout is empty",
    });
    expect(failure(Float64Array.of(0)).message).toMatch(/^kernel scale has more than 0 parameters/);
    expect(failure(Float64Array.of(16)).message).toBe("layout has bytes of no parameter");
    binding.cudaFree(module);
  });

  it("survive arguments of any kind and number, real handles among them", {
    timeout: fuzzTimeout * 2,
  }, () => {
    scripted();
    openCuda();
    const stream = new CudaStream(0);
    const memory = new CudaMemory(stream, 64);
    const image = new TextEncoder().encode(".version 8.0 .target sm_90");
    const layout = { argumentBytes: 16, parameterOffsets: [0, 8, 12] };
    const kernel = new CudaKernel(0, image, "scale", layout);
    const graph = CudaGraph.capture(stream, () => {});
    const handles = [stream, memory, kernel, graph].map(({ handle }) => handle);
    const { launch, block } = binding.cudaPrepare(16, 1);
    binding.cudaPrepareKernel(launch, kernel.handle);
    const numbers = new Float64Array(block);
    const intact = [0, 0, stream.handle, 1, 1, 1, 1, 1, 1, 0, 0, 0, memory.handle, 0, 64];
    const argument = fc.oneof(
      fc.constantFrom<unknown>(...handles, ...handles, ...badNumber),
      fc.constantFrom<unknown>(undefined, null, true, "scale", "--opt", 7n, Symbol("s"), {}, [1], () => 1),
      fc
        .constantFrom<() => unknown>(
          bytes,
          () => new Float64Array(3),
          () => new Uint8Array(16),
        )
        .map((make) => make()),
      fc.constantFrom(image, new BigUint64Array(2), new Float32Array(4), new Uint16Array(0), detached()),
      fc.constantFrom<unknown>(shrunk(), new Float64Array(new SharedArrayBuffer(24)), ...throwing),
      fc.constant(launch),
    );
    const attempt = (run: () => unknown) => {
      try {
        run();
      } catch (error) {
        if (error === own) return;
        expect(error).toBeInstanceOf(Error);
        expect(codes, String(error)).toContain((error as { code?: string }).code);
      }
    };
    const anyCall = fc.tuple(fc.constantFrom(...names), fc.array(argument, { maxLength: 7 }));
    fuzz("every CUDA function of the addon", 5000, anyCall, ([name, args]) => {
      attempt(() => (binding as unknown as Record<string, (...args: unknown[]) => unknown>)[name]!(...args));
    });
    const change = fc.tuple(
      fc.integer({ min: 2, max: numbers.length - 1 }), // behind the arguments, which are the kernel's own affair

      fc.constantFrom(...handles, ...badNumber, -0, Infinity),
    );
    fuzz("prepared launches of the addon", 5000, fc.array(change, { maxLength: 3 }), (changes) => {
      numbers.set(intact);
      for (const [at, value] of changes) numbers[at] = value;
      attempt(() => binding.cudaLaunch(launch));
    });
    expect(notes().filter((note) => /dead|of nothing/.test(note))).toEqual([]);
  });
});

/** A view whose buffer has shrunk below it. */
function shrunk(): Uint8Array {
  const buffer = new ResizableBuffer(16, { maxByteLength: 16 });
  const array = new Uint8Array(buffer, 8, 8);
  buffer.resize(4);
  return array;
}

// Node 20 has it; the types of this project's target do not.
const ResizableBuffer = ArrayBuffer as unknown as new (
  bytes: number,
  options: { readonly maxByteLength: number },
) => ArrayBuffer & { resize(bytes: number): void };

const own = new Error("of the value itself");
const boom = () => {
  throw own;
};
/** Values that throw when they are asked for anything. */
const throwing: readonly unknown[] = [
  new Proxy(new Uint8Array(16), { get: boom }),
  { toString: boom, valueOf: boom, [Symbol.toPrimitive]: boom },
  Object.defineProperty(new Float64Array(3), "length", { get: boom }),
];

function detached(): Uint8Array {
  const array = new Uint8Array(8);
  structuredClone(array.buffer, { transfer: [array.buffer] });
  return array;
}
