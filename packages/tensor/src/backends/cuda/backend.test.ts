import { cudaOps } from "@qknorm/native";
import { describe, expect, test } from "vitest";
import { failure } from "../../../test/errors.ts";
import { filled } from "../../../test/qk-norm-cases.ts";
import { expectCleanDevices, missing, scripted } from "../../../test/stand-in.ts";
import type { Backend } from "../../backend.ts";
import {
  backendOf,
  closeDevice,
  DeviceGraph,
  gatherRows,
  Indices,
  keep,
  liveBytes,
  openDevice,
  siluMul,
  Tensor,
  tidy,
} from "../../index.ts";
import { opOf } from "../../ops/checks.ts";

const device = "cuda:0";

describe.skipIf(missing !== "")(`a device, on a stand-in driver${missing}`, () => {
  expectCleanDevices();

  test("is opened once, says what it is, and names what is missing on it", async () => {
    const backend = await openDevice(device);
    expect(await openDevice(device)).toBe(backend);
    expect(backendOf(device)).toBe(backend);
    expect(backend.describe()).toBe("Fake 0, sm_90");
    // What `qknorm doctor` says that a device would run; the norm and the chain are not among the ops.
    expect([...Object.keys(backend.ops), "qkNorm", "qkNormRope"].sort()).toEqual([...cudaOps].sort());
    const { normalize, siluMul } = backend.ops;
    const lacking = { ...backend, device, ops: { normalize, siluMul } } as Backend;
    expect(failure("ERR_QKNORM_DEVICE", () => opOf(lacking, "add"))).toBe(
      "cuda:0 has no add; it has normalize, siluMul: move the tensors to the cpu for it",
    );
  });

  test("that was closed is refused by name until it is opened again, and what lay there can only be freed", async () => {
    await openDevice("cuda:1");
    const before = Tensor.zeros([2, 4], "f32", "cuda:1");
    closeDevice("cuda:1");
    closeDevice("cuda:1");
    for (const use of [
      () => Tensor.zeros([1], "f32", "cuda:1"),
      () => Tensor.zeros([1]).to("cuda:1"),
      () => liveBytes("cuda:1"),
      () => DeviceGraph.capture("cuda:1", () => {}),
    ]) {
      expect(failure("ERR_QKNORM_DEVICE", use)).toContain("cuda:1 is not open");
    }
    await openDevice("cuda:1");
    for (const use of [() => before.toNumbers(), () => before.clone(), () => siluMul(before, "once")]) {
      expect(failure("ERR_QKNORM_DEVICE", use)).toContain("cuda:1, which was closed");
    }
    await expect(before.read()).rejects.toMatchObject({ code: "ERR_QKNORM_DEVICE" });
    before.dispose();
    expect(liveBytes("cuda:1")).toBe(0);
    expect(failure("ERR_QKNORM_DEVICE", () => closeDevice("cpu"))).toContain("always open");
  });

  test("is read by a promise as the CPU is, and at once where it can be waited for", async () => {
    const x = Tensor.from([1, 2, 3, 4, 5, 6], [2, 3], "bf16");
    using there = x.to(device);
    for (const [mine, theirs] of [
      [there, x],
      [there.transpose(0, 1), x.transpose(0, 1)],
      [there.slice(1, 1, 3), x.slice(1, 1, 3)],
      [there.slice(0, 1, 1), x.slice(0, 1, 1)],
    ] as const) {
      const values = await mine.read();
      expect(values).toEqual(theirs.clone().data);
      expect(mine.readNow()).toEqual(values);
      expect(await theirs.read()).toEqual(values);
    }
    const own = await x.read();
    own.fill(0);
    expect([...x.toNumbers()]).toEqual([1, 2, 3, 4, 5, 6]);
    scripted({ cuMemcpyDtoHAsync: 700 });
    await expect(there.read()).rejects.toMatchObject({ code: "ERR_CUDA" });
  });

  test("keeps out of every scope what keep was given, until it is disposed", () => {
    let cache: { readonly rows: readonly Tensor[] } = { rows: [] };
    const kept = tidy(() =>
      tidy(() => {
        Tensor.zeros([100], "f32", device);
        cache = keep({ rows: [Tensor.zeros([2], "f32", device)] });
        return keep(Tensor.zeros([3], "f32", device)).slice(0, 0, 1);
      }),
    );
    expect(liveBytes(device)).toBe(20);
    kept.dispose();
    expect(liveBytes(device)).toBe(8);
    for (const rows of cache.rows) rows.dispose();
  });

  test("frees a tensor that a cache kept: using it afterwards is an error before anything is written", () => {
    const cache = tidy(() => keep(Tensor.zeros([2, 4], "f32", device)));
    const rows = cache.slice(0, 0, 1);
    cache.dispose();
    expect(failure("ERR_QKNORM_LAYOUT", () => rows.copyFrom(Tensor.zeros([1, 4])))).toMatch(/was freed/);
    expect(failure("ERR_QKNORM_LAYOUT", () => siluMul(rows, "once"))).toMatch(/was freed/);
  });

  test("takes indices when an op first needs them, and once", () => {
    const indices = Indices.from([3, 1]);
    const backend = backendOf(device);
    tidy(() => {
      const first = indices.on(backend);
      expect(indices.on(backend)).toBe(first);
      expect([...new Tensor(first.memory, "i32", [2]).toNumbers()]).toEqual([3, 1]);
    });
    tidy(() => {
      const again = indices.on(backend);
      expect([...new Tensor(again.memory, "i32", [2]).toNumbers()]).toEqual([3, 1]);
      const made = Indices.onDevice(again, 4);
      expect(failure("ERR_QKNORM_DEVICE", () => gatherRows(Tensor.zeros([4, 2]), made, "f32"))).toContain(
        "read them first",
      );
    });
  });

  test.each(["f32", "bf16", "f16"] as const)("siluMul of %s is the CPU's, whatever the layout", (dtype) => {
    for (const width of [8, 24, 13]) {
      for (const rounding of ["once", "hf"] as const) {
        const packed = filled(3, [5, 2 * width + 3], dtype, 3).slice(1, 1, 2 * width + 1);
        tidy(() => {
          const there = filled(3, [5, 2 * width + 3], dtype, 3)
            .to(device)
            .slice(1, 1, 2 * width + 1);
          const result = siluMul(there, rounding);
          expect([result.device, result.shape]).toEqual([device, [5, width]]);
          const expected = siluMul(packed, rounding).toNumbers();
          const step = dtype === "f32" ? 2 ** -20 : dtype === "bf16" ? 2 ** -7 : 2 ** -10;
          result.toNumbers().forEach((value, i) => {
            expect(Math.abs(value - expected[i]!)).toBeLessThanOrEqual(Math.abs(expected[i]!) * step);
          });
        });
      }
    }
  });
});
