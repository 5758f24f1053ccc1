// Two versions of the packages in one process, as a dependency tree with two ranges gives it: each has a core, tensors and an addon
// of its own, read from files of its own.
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as core from "@qknorm/core";
import { loadBinding } from "@qknorm/native";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import * as one from "../src/index.ts";

const dir = mkdtempSync(join(tmpdir(), "qknorm-copies-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));
const addon = loadBinding();

interface Copy {
  readonly core: typeof core;
  readonly tensor: typeof one;
  readonly native: typeof import("@qknorm/native");
}

const first = { core, tensor: one };
let other: Copy;

beforeAll(async () => {
  vi.resetModules();
  if (addon.binding !== null) {
    const path = join(dir, "other.node");
    copyFileSync(addon.path, path);
    vi.stubEnv("QKNORM_NATIVE_PATH", path);
  }
  other = {
    core: await import("@qknorm/core"),
    tensor: await import("../src/index.ts"),
    native: await import("@qknorm/native"),
  };
  other.native.loadBinding();
  vi.unstubAllEnvs();
});

type Side = Pick<Copy, "core" | "tensor">;

/** The norm of `q` and `k` by what each copy exports, as numbers, and who computed it. */
function normed(caller: Side, { tensor }: Side): { provider: string | null; q: readonly number[] } {
  const { Tensor, normalize } = tensor;
  const q = Tensor.from(
    Array.from({ length: 2 * 64 }, (_, i) => i - 60),
    [2, 64],
  );
  const k = Tensor.from(
    Array.from({ length: 2 * 32 }, (_, i) => i - 30),
    [2, 32],
  );
  const spec: core.NormSpec<one.Tensor> = {
    ...{ kind: "rms", axis: "head", eps: 1e-6, weightOffset: 0, rounding: "once" },
    weight: Tensor.from(
      Array.from({ length: 32 }, (_, i) => 1 + i / 32),
      [32],
    ),
  };
  const norm = { spec, forward: (x: one.Tensor) => normalize(x, spec) };
  const plan = caller.core.planQkNorm({ q, k, qNorm: norm, kNorm: norm, headDim: 32 });
  const [out] = caller.core.applyQkNorm(q, k, norm, norm, 32);
  return { provider: plan.path === "fused" ? plan.provider : null, q: [...(out.readNow() as Float32Array)] };
}

describe("two copies of the packages in one process", () => {
  it("are two: neither's tensors are tensors of the other, and each has an addon of its own", () => {
    expect(other.tensor.Tensor).not.toBe(one.Tensor);
    expect(one.Tensor.is(other.tensor.Tensor.zeros([1]))).toBe(false);
    if (addon.binding === null) return;
    const theirs = other.native.loadBinding();
    expect(theirs.binding).not.toBeNull();
    expect(theirs.binding).not.toBe(addon.binding);
    expect(theirs).toMatchObject({ path: join(dir, "other.node") });
  });

  it("norm the tensors of either by the fused kernel of its own copy, whichever core is called, with the same bits", () => {
    const own = normed(first, first);
    expect(own.provider).not.toBeNull();
    for (const [caller, tensors] of [
      [first, other],
      [other, first],
      [other, other],
    ] as const) {
      const provider = tensors === first ? own.provider : `${own.provider} (2)`;
      expect(normed(caller, tensors)).toEqual({ provider, q: own.q });
    }
  });

  it("refuse a tensor of the other in an op, and say where it comes from", () => {
    const foreign = other.tensor.Tensor.zeros([2, 4]) as unknown as one.Tensor;
    for (const call of [
      () => one.add(one.Tensor.zeros([2, 4]), foreign),
      () => one.add(foreign, one.Tensor.zeros([2, 4])),
      () => one.Tensor.zeros([2, 4]).copyFrom(foreign),
    ]) {
      expect(call).toThrow(
        expect.objectContaining({
          code: "ERR_QKNORM_ARGUMENT",
          message: expect.stringContaining("a Tensor of another copy of @qknorm/tensor"),
        }),
      );
    }
  });

  it("refuse indices of the other in an op, and say where they come from", () => {
    const ids = other.tensor.Indices.from([0, 1]) as unknown as one.Indices;
    expect(() => one.gatherRows(one.Tensor.zeros([2, 4]), ids, "f32")).toThrow(
      expect.objectContaining({
        code: "ERR_QKNORM_ARGUMENT",
        message: expect.stringContaining("Indices of another copy of @qknorm/tensor"),
      }),
    );
  });

  it("take the memory of one into the other by its array, without a copy", () => {
    const foreign = other.tensor.Tensor.from([1, 2, 3, 4], [2, 2]);
    const mine = new one.Tensor(foreign.memory.data as Float32Array, "f32", [2, 2]);
    mine.copyFrom(one.Tensor.from([5, 6, 7, 8], [2, 2]));
    expect([...(foreign.readNow() as Float32Array)]).toEqual([5, 6, 7, 8]);
  });
});
