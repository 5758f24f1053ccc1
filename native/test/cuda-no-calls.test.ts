// What is exported for CUDA, called with what is no call of it, on a stand-in driver.
import { isQkNormError } from "@qknorm/core";
import { afterAll, describe, expect, it } from "vitest";
import * as cuda from "../src/cuda.ts";
import { layout, module } from "./cuda-case.ts";
import { missing, scripted } from "./cuda-fake.ts";
import { notCalls } from "./not-calls.ts";

type Loose = (...args: unknown[]) => unknown;

/** They take nothing, or any numbers. */
const taken = new Set(["openCuda", "openNvrtc", "openCublasLt", "alignmentOf", "gemvNorms", "DecodeFlow"]);
const isClass = (value: unknown): value is new (...args: unknown[]) => unknown =>
  /^class\b/.test(String(value));

/** The code of what a call throws for each of the others in all of its places. */
function ends(call: Loose): unknown[] {
  return notCalls.map((other) => {
    try {
      call(other, other, other, other);
      return "taken";
    } catch (error) {
      return isQkNormError(error) ? error.code : error;
    }
  });
}

const refused = notCalls.map(() => expect.stringMatching(/^ERR_/));

describe.skipIf(missing !== "")(`no call${missing}`, () => {
  // Abstract, and what takes nothing or has a default for all.
  const mayBeMade = new Set([...taken, "CudaResource", "Jit", "CudaEvent"]);
  const exported = Object.entries(cuda).filter(([name]) => !mayBeMade.has(name));
  const functions = exported.filter((entry): entry is [string, Loose] => typeof entry[1] === "function");
  afterAll(() => scripted());

  it.each(functions)("of %s is refused by an error with a code", (_, value) => {
    expect(ends(isClass(value) ? (...args) => new value(...args) : value)).toEqual(refused);
  });

  it("of a method is refused by an error with a code", () => {
    scripted();
    using stream = new cuda.CudaStream(0);
    using memory = new cuda.CudaMemory(stream, 16);
    using kernel = new cuda.CudaKernel(0, module("sm_90"), "scale", layout);
    using event = new cuda.CudaEvent(0);
    using graph = cuda.CudaGraph.capture(stream, () => {});
    const jit = new cuda.Jit();
    const kernels = new cuda.CudaKernels(cuda.cudaDevice(0), jit);
    const launch = new cuda.CudaLaunch(kernel, 16, 1);
    const op = new cuda.CudaOp<object, "to">({
      kernel: "scale",
      parameters: { to: "address" },
      macros: () => ({}),
    });
    const calls: Readonly<Record<string, Loose>> = {
      ...methods("CudaStream", stream, ["waitFor"]),
      ...methods("CudaEvent", event, ["record", "since"]),
      ...methods("CudaMemory", memory, ["upload", "uploadFile", "download", "copyFrom", "fill"]),
      ...methods("CudaKernel", kernel, ["occupancy"]),
      ...methods("CudaGraph", graph, ["replay"]),
      ...methods("CudaLaunch", launch, ["use", "address", "geometry", "run"]),
      ...methods("CudaKernels", kernels, ["get"]),
      ...methods("Jit", jit, ["compile"]),
      ...methods("CudaOp", op, ["launch", "field"]),
      ...methods("OpLaunch", op.launch(kernels, ["to"]), ["set", "bind", "bindAt", "together", "run", "use"]),
      "CudaGraph.capture": cuda.CudaGraph.capture as Loose,
    };
    expect(Object.entries(calls).map(([name, call]) => [name, ends(call)])).toEqual(
      Object.keys(calls).map((name) => [name, refused]),
    );
    for (const none of [() => new cuda.Jit(null as never), () => new cuda.CudaEvent(0, null as never)])
      expect(none).toThrow(expect.objectContaining({ code: "ERR_QKNORM_ARGUMENT" }));
  });

  it("of a number is refused where an argument of a kernel must be an integer", () => {
    const kernels = new cuda.CudaKernels(cuda.cudaDevice(0), new cuda.Jit());
    const op = new cuda.CudaOp<object, "n">({
      kernel: "scale",
      parameters: { n: "i64" },
      macros: () => ({}),
    });
    const launch = op.launch(kernels, []);
    for (const value of [Number.NaN, 0.5, Number.POSITIVE_INFINITY]) {
      expect(() => launch.set("n", value)).toThrow(`n must be an integer, got ${value}`);
    }
  });
});

function methods(of: string, object: object, names: readonly string[]): Record<string, Loose> {
  const bound = (name: string) => (object as Record<string, Loose>)[name]!.bind(object) as Loose;
  return Object.fromEntries(names.map((name) => [`${of}.${name}`, bound(name)]));
}
