import { describe, expect, test } from "vitest";
import { failure } from "../test/errors.ts";
import { backendOf } from "./devices.ts";
import { Indices } from "./indices.ts";
import { gatherRows } from "./ops/gather-rows.ts";
import { rope } from "./ops/rope.ts";
import { writeCache } from "./ops/write-cache.ts";
import { Tensor } from "./tensor.ts";

const table = Tensor.from([0, 1, 2, 3, 4, 5], [3, 2]);

describe("indices from the host", () => {
  test("are copied, and know how far they reach", () => {
    const values = [4, 0, 2];
    const indices = Indices.from(values);
    values[0] = 9;
    expect([indices.length, indices.bound, [...(indices.values ?? [])]]).toEqual([3, 5, [4, 0, 2]]);
    expect([Indices.from([]).length, Indices.from([]).bound]).toEqual([0, 0]);
    expect([...(Indices.range(3, 2).values ?? [])]).toEqual([3, 4]);
  });

  test.each<[string, unknown]>([
    ["a negative one", [0, -1]],
    ["a fraction", [0.5]],
    ["one past 32 bits", [2 ** 31]],
    ["a string", ["1"]],
    ["a big integer", [1n]],
    ["no array", 3],
    ["nothing", undefined],
  ])("%s is refused", (_, values) => {
    failure("ERR_QKNORM_ARGUMENT", () => Indices.from(values as number[]));
  });

  test.each([{ length: 2 ** 40 }, { length: 2 ** 52 }])(
    "of which no memory holds so many as %j are refused",
    (values) => {
      failure("ERR_QKNORM_ARGUMENT", () => Indices.from(values as number[]));
      failure("ERR_QKNORM_ARGUMENT", () => Indices.range(0, values.length));
    },
  );

  test("of a range reach to 2^31 - 1", () => {
    expect([...(Indices.range(2 ** 31 - 2, 2).values ?? [])]).toEqual([2 ** 31 - 2, 2 ** 31 - 1]);
    failure("ERR_QKNORM_ARGUMENT", () => Indices.range(2 ** 31 - 1, 2));
    expect(Indices.range(7, 0)).toMatchObject({ length: 0, bound: 0 });
  });

  test.each<[number[], boolean]>([
    [[], true],
    [[3, 5, 9], true],
    [[5, 3, 9], true],
    [[5, 3, 5], false],
    [[2, 2], false],
    [[-1, 4, -1], true],
  ])("know whether %j are distinct", (values, distinct) => {
    expect(Indices.slots(values).distinct).toBe(distinct);
  });

  test("that are slots of one write differ, or nothing is written", () => {
    const k = Tensor.from([1, 2], [2, 1, 1]);
    const [keys, values] = [Tensor.zeros([4, 1, 1]), Tensor.zeros([4, 1, 1])];
    failure("ERR_QKNORM_ARGUMENT", () => writeCache(k, k.clone(), keys, values, Indices.slots([3, 3])));
    expect([...keys.toNumbers(), ...values.toNumbers()]).toEqual(new Array(8).fill(0));
    writeCache(k, k.clone(), keys, values, Indices.slots([-1, -1]));
  });

  test("past what they address are refused before anything is written", () => {
    expect(failure("ERR_QKNORM_ARGUMENT", () => gatherRows(table, Indices.from([0, 3]), "f32"))).toContain(
      "id 3 is outside 0..2",
    );
    const x = Tensor.from([1, 2, 3, 4], [1, 1, 4]);
    const angles = { cos: Tensor.zeros([2, 2]), sin: Tensor.zeros([2, 2]) };
    failure("ERR_QKNORM_ARGUMENT", () => rope(x, angles, Indices.from([2]), "once"));
    expect([...x.toNumbers()]).toEqual([1, 2, 3, 4]);
  });
});

describe("indices that a device made", () => {
  const made = Tensor.from([1, 2], [2], "i32");

  test("are judged by their bound, since nobody on the host has seen them", () => {
    const indices = Indices.onDevice(made, 100);
    expect([indices.values, indices.distinct]).toEqual([null, true]);
    expect(failure("ERR_QKNORM_ARGUMENT", () => gatherRows(table, indices, "f32"))).toContain(
      "ids that the device made may reach 99, which is outside 0..2",
    );
  });

  test("are not for another device, and not for the host unread", () => {
    const indices = Indices.onDevice(made, 3);
    expect(failure("ERR_QKNORM_DEVICE", () => gatherRows(table, indices, "f32"))).toContain(
      "read them first",
    );
    const elsewhere = { ...backendOf("cpu"), device: "cuda:5" } as never;
    expect(failure("ERR_QKNORM_DEVICE", () => indices.on(elsewhere))).toContain(
      "made on cpu and are asked for on cuda:5",
    );
  });

  test.each<[string, "ERR_QKNORM_DTYPE" | "ERR_QKNORM_SHAPE" | "ERR_QKNORM_ARGUMENT", Tensor, number]>([
    ["floats", "ERR_QKNORM_DTYPE", Tensor.zeros([2]), 3],
    ["two axes", "ERR_QKNORM_SHAPE", Tensor.zeros([1, 2], "i32"), 3],
    ["gaps", "ERR_QKNORM_SHAPE", Tensor.zeros([2, 2], "i32").slice(1, 0, 1).view([2]), 3],
    ["a bound that is none", "ERR_QKNORM_ARGUMENT", made, -1],
  ])("with %s are refused", (_, code, values, bound) => {
    failure(code, () => Indices.onDevice(values, bound));
  });
});
