import { onTestFinished } from "vitest";
import type {
  FusedQkNormRope,
  FusedQkNormRopeCall,
  QkNormRopeOperands,
} from "../src/qk-norm-rope-provider.ts";
import { registerFusedQkNorm } from "../src/registry.ts";
import { fakeProvider, negated } from "./fake-provider.ts";
import { FlatTensor, flat } from "./flat-tensor.ts";

/** Of a rotation that only a provider can do: what its tables hold, nobody here reads. */
export const tables = { cos: {}, sin: {}, rounding: "once" } as const;
/** A cache of nine slots, and those of three tokens. */
export const memory = () => ({ k: flat([9, 2, 8]), v: flat([9, 2, 8]), slots: [4, 5, 6] });
export const mapped = (x: FlatTensor, f: (value: number) => number) => new FlatTensor(x.data.map(f), x.shape);

/** A provider whose chain negates, and whose steps add 1 and write down what they store; registered while the test runs. */
export function chainProvider(over: Partial<FusedQkNormRope<FlatTensor>> = {}) {
  const calls: FusedQkNormRopeCall<FlatTensor>[] = [];
  const runs: QkNormRopeOperands<FlatTensor>[] = [];
  const written: (readonly [FlatTensor, FlatTensor])[] = [];
  const qkNormRope: FusedQkNormRope<FlatTensor> = {
    prepare(call) {
      calls.push(call);
      return {
        inPlace: call.allowInplace,
        run(operands) {
          runs.push(operands);
          return [negated(operands.q), negated(operands.k)];
        },
      };
    },
    steps: () => ({
      rotate: (x) => mapped(x, (value) => value + 1),
      write: (k, v) => void written.push([k, v]),
    }),
    ...over,
  };
  onTestFinished(registerFusedQkNorm(fakeProvider("fake", { qkNormRope })));
  return { calls, runs, written };
}

/** Four query heads and two key/value heads of 8 elements, of three tokens. */
export const pair = (): [FlatTensor, FlatTensor] => [flat([3, 32], 1), flat([3, 16], 2)];
