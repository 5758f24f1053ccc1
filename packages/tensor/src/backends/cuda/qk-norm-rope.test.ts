import { applyQkNormRope } from "@qknorm/core";
import { describe, expect, test } from "vitest";
import { failure } from "../../../test/errors.ts";
import { filled, norm, rms } from "../../../test/qk-norm-cases.ts";
import { qkNormRopeFaults } from "../../../test/qk-norm-rope-faults.ts";
import { qkNormRopeSuite } from "../../../test/qk-norm-rope-suite.ts";
import { expectCleanDevices, missing, scripted } from "../../../test/stand-in.ts";
import { Indices, liveBytes, type Tensor, tidy } from "../../index.ts";

describe.skipIf(missing !== "")(`the chain on a device, on a stand-in driver${missing}`, () => {
  expectCleanDevices();
  qkNormRopeFaults("cuda:0");

  qkNormRopeSuite("cuda:0", "cuda", { runs: 0, norms: "close" });

  test("results that are never launched leave no memory behind", () => {
    tidy(() => {
      const there = (shape: readonly number[]) => filled(1, shape, "f32").to("cuda:0");
      const [q, k, one] = [there([2, 32]), there([2, 16]), norm(rms)];
      const rope = { cos: there([4, 8]), sin: there([4, 8]), rounding: "once" } as const;
      const options = { headDim: 16, rope, positions: Indices.from([1, 2]), allowInplace: false };
      const call = (): [Tensor, Tensor] => applyQkNormRope(q, k, one, one, options);
      for (const x of call()) x.dispose();
      const held = liveBytes("cuda:0");
      scripted({ cuLaunchKernelEx: 700 });
      failure("ERR_CUDA", call);
      expect(liveBytes("cuda:0")).toBe(held);
      scripted();
    });
  });
});
