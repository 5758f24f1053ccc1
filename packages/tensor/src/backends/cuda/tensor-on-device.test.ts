import { QkNormError } from "@qknorm/core";
import { setCudaBudget } from "@qknorm/native";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { failure } from "../../../test/errors.ts";
import { expectCleanDevices, missing, notes, scripted } from "../../../test/stand-in.ts";
import { views } from "../../../test/view-model.ts";
import {
  add,
  type Device,
  DeviceGraph,
  linear,
  liveBytes,
  normalize,
  openDevice,
  Tensor,
  tidy,
} from "../../index.ts";

const runs = { numRuns: 150 };
const counting = (shape: readonly number[]): Tensor =>
  Tensor.from(
    Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => i),
    shape,
    "i32",
  );
const values = (x: Tensor): number[] => [...x.toNumbers()];

describe.skipIf(missing !== "")(`tensors on a device, on a stand-in driver${missing}`, () => {
  expectCleanDevices();

  test("go to the device and back, whatever their strides", () => {
    fc.assert(
      fc.property(views, (x) => {
        using there = x.to("cuda:0");
        expect([there.device, there.contiguous, there.shape, there.dtype]).toEqual([
          "cuda:0",
          true,
          x.shape,
          x.dtype,
        ]);
        expect(there.to("cuda:0")).toBe(there);
        expect(values(there)).toEqual(values(x));
        const back = there.to("cpu");
        expect([back.device, values(back)]).toEqual(["cpu", values(x)]);
      }),
      runs,
    );
  });

  test("are views of one memory under slice, split, transpose and view, and read back as the CPU's are", () => {
    const x = counting([4, 6]);
    using there = x.to("cuda:0");
    const pairs: [Tensor, Tensor][] = [
      [there.slice(1, 2, 5), x.slice(1, 2, 5)],
      [there.transpose(0, 1), x.transpose(0, 1)],
      [there.view([2, 2, 6]).slice(1, 1, 2), x.view([2, 2, 6]).slice(1, 1, 2)],
      ...there.split(0, [1, 3]).map((part, i): [Tensor, Tensor] => [part, x.split(0, [1, 3])[i] as Tensor]),
    ];
    for (const [mine, theirs] of pairs) {
      expect(mine.memory).toBe(there.memory);
      expect([mine.strides, mine.offset, values(mine)]).toEqual([
        theirs.strides,
        theirs.offset,
        values(theirs),
      ]);
    }
    expect(liveBytes("cuda:0")).toBe(96);
  });

  test("copyFrom writes the view and nothing else, between any two devices", () => {
    const devices: Device[] = ["cpu", "cuda:0", "cuda:1"];
    fc.assert(
      fc.property(
        views,
        fc.constantFrom(...devices),
        fc.constantFrom(...devices),
        fc.boolean(),
        (target, to, from, reversed) => {
          const memory = new Tensor(target.data, "i32", [target.data.length]);
          const held = [...target.data];
          tidy(() => {
            const there = memory.to(to);
            const view = new Tensor(there.memory, "i32", target.shape, target);
            const source = counting([target.size]).view(target.shape).to(from);
            const axes = target.shape.length > 1 && reversed;
            const read = axes ? source.transpose(0, 1).clone().transpose(0, 1) : source;
            expect(view.copyFrom(read)).toBe(view);
            expect(values(view)).toEqual(values(source));
            const expected = new Tensor(Int32Array.from(held), "i32", target.shape, target);
            expected.copyFrom(counting([target.size]).view(target.shape));
            expect(values(there)).toEqual([...expected.data]);
          });
          if (to === "cpu") target.data.set(held);
        },
      ),
      runs,
    );
    expect(liveBytes("cuda:1")).toBe(0);
  });

  test("copyFrom of overlapping views copies what the source held before", () => {
    using x = counting([4, 4]).to("cuda:0");
    const held = values(x.slice(0, 0, 3));
    x.slice(0, 1, 4).copyFrom(x.slice(0, 0, 3));
    expect(values(x.slice(0, 1, 4))).toEqual(held);
    expect(liveBytes("cuda:0")).toBe(64);
  });

  test("a copy of many pieces is one launch; without a kernel it is refused where the pieces would be too many", () => {
    using x = counting([70_000, 2]).to("cuda:0");
    expect(values(x.transpose(0, 1)).slice(0, 3)).toEqual([0, 2, 4]);
    notes();
    tidy(() => expect(values(x.transpose(0, 1).clone()).slice(0, 3)).toEqual([0, 2, 4]));
    expect(notes().filter((note) => note.startsWith("launch"))).toHaveLength(1);
    const reversed = x.view([4375, 2, 2, 2, 2, 2]).transpose(0, 5).transpose(1, 4).transpose(2, 3);
    const inCapture = () => DeviceGraph.capture("cuda:0", () => reversed.clone());
    expect(failure("ERR_QKNORM_LAYOUT", inCapture)).toContain("140000 separate copies");
    expect(liveBytes("cuda:0")).toBe(560_000);
  });

  test("zeros are zeros, empty is whatever was there", () => {
    using zeros = Tensor.zeros([3], "bf16", "cuda:0");
    using empty = Tensor.empty([3], "bf16", "cuda:0");
    using from = Tensor.from([1, 2.5], [2], "f16", "cuda:0");
    expect([values(zeros), empty.shape, values(from)]).toEqual([[0, 0, 0], [3], [1, 2.5]]);
    expect(values(Tensor.empty([2]))).toEqual([0, 0]);
  });

  test("have no data for the CPU, and say what to do", () => {
    using x = Tensor.zeros([2], "f32", "cuda:0");
    expect(failure("ERR_QKNORM_DEVICE", () => x.data)).toBe(
      'a tensor on cuda:0 has no data that the CPU can read; read a copy of it: await x.read(), or x.to("cpu").data',
    );
  });

  test("tensors of two devices are refused by name", () => {
    using x = Tensor.zeros([2, 2], "f32", "cuda:0");
    const y = Tensor.zeros([2, 2]);
    const both = /cuda:0.*cpu|cpu.*cuda:0/;
    for (const op of [() => linear(x, y), () => linear(y, x), () => add(x, y), () => add(y, x)]) {
      expect(failure("ERR_QKNORM_DEVICE", op)).toMatch(both);
    }
    const spec = { kind: "rms", axis: "head", eps: 0, weightOffset: 0, rounding: "once" } as const;
    expect(failure("ERR_QKNORM_DEVICE", () => normalize(y, { ...spec, weight: x.slice(0, 0, 1) }))).toMatch(
      both,
    );
    expect(failure("ERR_QKNORM_DEVICE", () => normalize(x, { ...spec, weight: y.slice(0, 0, 1) }))).toMatch(
      /cpu.*cuda:0/,
    );
  });

  test.each([["gpu"], ["cuda"], ["cuda:-1"], ["cuda:01"], ["CUDA:0"], [0], [null]])(
    "%s is no device",
    (device) => {
      failure("ERR_QKNORM_DEVICE", () => Tensor.zeros([1], "f32", device as Device));
      failure("ERR_QKNORM_DEVICE", () => Tensor.zeros([1]).to(device as Device));
    },
  );

  test("a device that is not there, or was not opened, is a typed error", async () => {
    await expect(openDevice("cuda:7")).rejects.toMatchObject({ code: "ERR_QKNORM_DEVICE" });
    failure("ERR_QKNORM_DEVICE", () => Tensor.zeros([1], "f32", "cuda:7"));
    failure("ERR_QKNORM_DEVICE", () => liveBytes("cuda:7"));
    failure("ERR_QKNORM_DEVICE", () => liveBytes("cpu"));
  });
});

describe.skipIf(missing !== "")(`memory of a device, on a stand-in driver${missing}`, () => {
  expectCleanDevices();

  test("goes with dispose of any view, twice is allowed, and using it after that is refused", () => {
    const x = counting([4, 2]).to("cuda:0");
    const view = x.slice(0, 1, 2);
    view.dispose();
    view.dispose();
    x.dispose();
    expect(liveBytes("cuda:0")).toBe(0);
    for (const use of [
      () => x.toNumbers(),
      () => view.clone(),
      () => x.slice(0, 0, 1),
      () => x.view([8]),
      () => x.copyFrom(counting([4, 2])),
      () => counting([4, 2]).copyFrom(x),
      () => x.to("cuda:1"),
    ]) {
      expect(failure("ERR_QKNORM_LAYOUT", use)).toMatch(/memory of cuda:0 that was freed/);
    }
    expect(x.shape).toEqual([4, 2]);
    counting([1]).dispose();
  });

  test("goes with using, also after an exception", () => {
    const boom = new Error("boom");
    expect(() => {
      using x = Tensor.zeros([4], "f32", "cuda:0");
      expect(liveBytes("cuda:0")).toBe(16);
      x.slice(0, 0, 1);
      throw boom;
    }).toThrow(boom);
  });

  test("tidy returns lists longer than a call's arguments, and finds what is among them", () => {
    const [kept, ...rest] = tidy(() => [
      Tensor.zeros([2], "f32", "cuda:0"),
      ...Array.from({ length: 300_000 }, (_, i) => i),
    ]);
    expect((kept as Tensor).toNumbers()).toEqual(Float64Array.of(0, 0));
    expect(rest).toHaveLength(300_000);
    (kept as Tensor).dispose();
  });

  test("tidy frees what was made inside and not returned, at any depth of the result", () => {
    using before = Tensor.zeros([1], "f32", "cuda:0");
    const kept = tidy(() => {
      const make = (n: number): Tensor => Tensor.zeros([n], "f32", "cuda:0");
      make(100);
      const viewed = make(2).slice(0, 0, 1);
      return {
        list: [make(3)],
        in: { deep: [viewed] },
        map: new Map([["x", make(5)]]),
        before,
        other: "text",
      };
    });
    expect(liveBytes("cuda:0")).toBe(4 * (1 + 2 + 3 + 5));
    for (const x of [kept.list[0], kept.in.deep[0], kept.map.get("x")]) x?.dispose();
  });

  test("scopes nest: what the inner one returns belongs to the outer one", () => {
    using result = tidy(() => {
      const [a, b] = tidy(() => [1, 2, 4].map((n) => Tensor.zeros([n], "f32", "cuda:0")));
      expect(liveBytes("cuda:0")).toBe(28);
      a?.dispose();
      expect(liveBytes("cuda:0")).toBe(24);
      return b as Tensor;
    });
    expect([liveBytes("cuda:0"), result.shape]).toEqual([8, [2]]);
  });

  test("after an exception in a scope nothing is left", () => {
    const boom = new Error("boom");
    expect(() =>
      tidy(() => {
        Tensor.zeros([4], "f32", "cuda:0");
        tidy(() => Tensor.zeros([8], "f32", "cuda:0"));
        throw boom;
      }),
    ).toThrow(boom);
  });

  test("an asynchronous scope is refused, and leaves nothing", async () => {
    const refused = () =>
      tidy(async () => {
        Tensor.zeros([4], "f32", "cuda:0");
        throw new Error("nobody can await this");
      });
    expect(failure("ERR_QKNORM_SCOPE", refused)).toContain("await outside");
    failure("ERR_QKNORM_ARGUMENT", () => tidy(1 as unknown as () => void));
    await new Promise((resolve) => setTimeout(resolve, 5));
  });

  test("cyclic and strange results are looked through", () => {
    const cyclic: Record<string, unknown> = { nothing: null, numbers: new Float32Array(3) };
    cyclic.self = cyclic;
    expect(tidy(() => cyclic)).toBe(cyclic);
    expect(tidy(() => 7)).toBe(7);
  });

  test("past the budget, or where there is no more, is a typed error that says what was asked for", () => {
    using x = Tensor.zeros([4], "f32", "cuda:0");
    setCudaBudget(0, 64);
    expect(failure("ERR_CUDA", () => Tensor.zeros([100], "f32", "cuda:0"))).toMatch(
      /cannot allocate \[100\] of f32 on cuda:0: .*budget/,
    );
    setCudaBudget(0, 0);
    scripted({ cuMemAllocAsync: 2 });
    const error = (() => {
      try {
        return Tensor.zeros([100], "f32", "cuda:0");
      } catch (error) {
        return error;
      }
    })();
    expect(error).toBeInstanceOf(QkNormError);
    expect(error).toMatchObject({ code: "ERR_CUDA", cause: { status: "CUDA_ERROR_OUT_OF_MEMORY" } });
    scripted();
    expect(liveBytes("cuda:0")).toBe(16);
    expect(values(x)).toEqual([0, 0, 0, 0]);
  });

  test("a copy that fails leaves no copy behind", () => {
    scripted({ cuMemcpyHtoDAsync: 700 });
    failure("ERR_CUDA", () => counting([4]).to("cuda:0"));
  });
});
