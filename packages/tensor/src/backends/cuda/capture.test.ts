import { setDefaultStream, withStream } from "@qknorm/core";
import { CudaStream } from "@qknorm/native";
import { describe, expect, test } from "vitest";
import { FakeStream } from "../../../../core/test/fake-stream.ts";
import { captureSuite } from "../../../test/capture-suite.ts";
import { failure } from "../../../test/errors.ts";
import { expectCleanDevices, missing, notes } from "../../../test/stand-in.ts";
import { cudaStream } from "../../cuda.ts";
import { Tensor } from "../../index.ts";

describe.skipIf(missing !== "")(`graphs and streams, on a stand-in driver${missing}`, () => {
  expectCleanDevices();
  captureSuite("cuda:0", 20);

  test("another library's stream in the slot of a device is refused in words", () => {
    withStream(new FakeStream("other", [], 1), () => {
      expect(failure("ERR_QKNORM_DEVICE", () => Tensor.zeros([1], "f32", "cuda:1"))).toContain(
        "the current stream of device 1 is no CudaStream",
      );
    });
  });

  test("the own stream of a device is made once for the thread", () => {
    cudaStream(1);
    notes();
    for (let i = 0; i < 5; i++) cudaStream(1);
    expect(notes()).toEqual([]);
    using mine = new CudaStream(1);
    const former = cudaStream(1);
    setDefaultStream(mine);
    expect(cudaStream(1)).toBe(mine);
    setDefaultStream(former);
  });
});
