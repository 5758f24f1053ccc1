import { describe, expect, test } from "vitest";
import { failure } from "../../../test/errors.ts";
import { expectCleanDevices, missing } from "../../../test/stand-in.ts";
import { add, DeviceMark, Tensor, tidy } from "../../index.ts";

describe.skipIf(missing !== "")(`a mark in the queue of a device, on a stand-in driver${missing}`, () => {
  expectCleanDevices();
  const device = "cuda:0";

  test("lets what was queued before it be read, part of a tensor too, while later work runs", () => {
    const mark = DeviceMark.on(device) as DeviceMark;
    tidy(() => {
      const x = Tensor.from([1, 2, 3, 4], [4], "f32", device);
      const sum = add(x, x);
      mark.set();
      add(sum, x);
      expect(mark.readNow(sum)).toEqual(Float32Array.of(2, 4, 6, 8));
      expect(mark.readNow(sum.slice(0, 1, 3))).toEqual(Float32Array.of(4, 6));
      expect(mark.readNow(sum.slice(0, 1, 1))).toEqual(new Float32Array(0));
    });
    mark.dispose();
  });

  test("reads dense tensors whose memory is there", () => {
    const mark = DeviceMark.on(device) as DeviceMark;
    const x = Tensor.from([1, 2, 3, 4], [2, 2], "f32", device);
    mark.set();
    failure("ERR_QKNORM_LAYOUT", () => mark.readNow(x.transpose(0, 1)));
    x.dispose();
    failure("ERR_QKNORM_LAYOUT", () => mark.readNow(x));
    mark.dispose();
  });
});

test("a device that runs at once has no mark", () => {
  expect(DeviceMark.on("cpu")).toBeNull();
});
