import {
  applyQkNorm,
  planQkNorm,
  type QkNormErrorCode,
  type QkNormOptions,
  registerFusedQkNorm,
  setQkNormLogger,
} from "@qknorm/core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { loadNativeKernels } from "#cpu-native";
import { detach, failure } from "../../../test/errors.ts";
import { filled, norm, rms, type Spec } from "../../../test/qk-norm-cases.ts";
import { qkNormSuite } from "../../../test/qk-norm-suite.ts";
import { type KernelChoice, Tensor, useKernels } from "../../index.ts";

const choices: KernelChoice[] = ["typescript", "native"];
const { reason } = loadNativeKernels();

describe.each(choices)("with %s kernels", (choice) => {
  describe.skipIf(choice === "native" && reason !== null)(
    reason === null ? "loaded" : `(native: ${reason})`,
    () => {
      let former: KernelChoice = "auto";
      let logger: ReturnType<typeof setQkNormLogger> = null;
      beforeEach(() => {
        former = useKernels(choice);
        logger = setQkNormLogger(null);
      });
      afterEach(() => {
        useKernels(former);
        setQkNormLogger(logger);
      });

      qkNormSuite("cpu", `cpu-${choice}`);

      test("the fallback gives the same as the fused kernel, also with a flat [H*D] weight", () => {
        for (const shape of [[16], [3, 16], [48]]) {
          const spec: Spec = { ...rms, weight: filled(5, shape, "bf16"), rounding: "hf" };
          const make = (): Tensor => filled(6, [4, 3, 16], "bf16");
          const [fused] = applyQkNorm(make(), make(), norm(spec), norm(spec), 16);
          const [two] = applyQkNorm(make(), make(), norm(spec), norm(spec), 16, { path: "fallback" });
          expect(two.data).toEqual(fused.data);
        }
      });

      test.each(["q", "k"])(
        "a weight of the %s norm alone that has gaps leaves two norms, which give the same",
        (side) => {
          const weight = filled(5, [16, 2], "f32").transpose(0, 1).slice(0, 0, 1).view([16]);
          const gapped = norm({ ...rms, weight });
          const dense = norm({ ...rms, weight: weight.clone() });
          const [qNorm, kNorm] = side === "q" ? [gapped, dense] : [dense, gapped];
          const make = (): Tensor => filled(6, [4, 3, 16], "bf16");
          const plan = planQkNorm({ q: make(), k: make(), qNorm, kNorm, headDim: 16 });
          expect(plan).toMatchObject({ path: "fallback", reasons: [{ code: "layout" }] });
          const two = applyQkNorm(make(), make(), qNorm, kNorm, 16);
          const fused = applyQkNorm(make(), make(), dense, dense, 16);
          expect(two.map((x) => x.data)).toEqual(fused.map((x) => x.data));
        },
      );

      test("a repeated call goes on when the buffer of a weight grows", () => {
        const Resizable = ArrayBuffer as unknown as new (bytes: number, options: object) => ArrayBuffer;
        const data = new Float32Array(new Resizable(64, { maxByteLength: 128 })).fill(2);
        const one = norm({ ...rms, weight: new Tensor(data, "f32", [16]) });
        const call = () => {
          const [q, k] = filled(1, [2, 48], "f32").split(1, [32, 16]) as [Tensor, Tensor];
          return applyQkNorm(q, k, one, one, 16).map((x) => [...x.toNumbers()]);
        };
        const before = call();
        (data.buffer as ArrayBuffer & { resize(bytes: number): void }).resize(128);
        expect(call()).toEqual(before);
        expect(call()).toEqual(before);
      });

      test("heads that come first are normalised where they lie, in place and apart", () => {
        for (const allowInplace of [true, false]) {
          const spec: Spec = { ...rms, weight: filled(5, [16], "f32") };
          const rows = filled(6, [2, 3, 4 * 16], "f32"); // [B, T, H * D]
          const expected = rows.clone();
          const flat = { q: expected.slice(2, 0, 32).view([2, 3, 32]), k: expected.slice(2, 32, 64) };
          applyQkNorm(flat.q, flat.k, norm(spec), norm(spec), 16);
          const split = rows.view([2, 3, 4, 16]).transpose(1, 2); // [B, H, T, D]
          const [q, k] = split.split(1, [2, 2]) as [Tensor, Tensor];
          const options = { layout: "heads-first", allowInplace } as const;
          const plan = planQkNorm({ q, k, qNorm: norm(spec), kNorm: norm(spec), headDim: 16, options });
          expect(plan).toMatchObject({ path: "fused", inPlace: allowInplace });
          const [nq, nk] = applyQkNorm(q, k, norm(spec), norm(spec), 16, options);
          expect([nq.shape, nk.shape]).toEqual([q.shape, k.shape]);
          const heads = expected.view([2, 3, 4, 16]).transpose(1, 2).split(1, [2, 2]) as [Tensor, Tensor];
          expect([...nq.toNumbers()]).toEqual([...heads[0].toNumbers()]);
          expect([...nk.toNumbers()]).toEqual([...heads[1].toNumbers()]);
          const two = applyQkNorm(q.clone(), k.clone(), norm(spec), norm(spec), 16, options);
          expect(two.map((x) => x.shape)).toEqual([q.shape, k.shape]);
        }
      });

      const base = (): Tensor => filled(9, [64], "f32");
      const wrong: [
        string,
        QkNormErrorCode,
        () => [q: Tensor, k: Tensor, spec?: Partial<Spec>, options?: QkNormOptions],
      ][] = [
        ["integers", "ERR_QKNORM_DTYPE", () => [Tensor.zeros([2, 8], "i32"), Tensor.zeros([2, 8], "i32")]],
        [
          "q and k of two dtypes",
          "ERR_QKNORM_DTYPE",
          () => [filled(1, [2, 8], "f32"), filled(2, [2, 8], "bf16")],
        ],
        [
          "an integer weight",
          "ERR_QKNORM_DTYPE",
          () => [base().view([8, 8]), base().view([8, 8]), { weight: Tensor.zeros([8], "i32") }],
        ],
        [
          "a weight that is no tensor",
          "ERR_QKNORM_ARGUMENT",
          () => [base().view([8, 8]), base().view([8, 8]), { weight: new Float32Array(8) as never }],
        ],
        [
          "a weight of another length",
          "ERR_QKNORM_SHAPE",
          () => [base().view([8, 8]), base().view([8, 8]), { weight: Tensor.zeros([9]) }],
        ],
        [
          "a bias of another length",
          "ERR_QKNORM_SHAPE",
          () => [
            base().view([8, 8]),
            base().view([8, 8]),
            { weight: Tensor.zeros([8]), bias: Tensor.zeros([16]) },
          ],
        ],
        [
          "k within q",
          "ERR_QKNORM_OVERLAP",
          () => {
            const x = base();
            return [x.slice(0, 0, 32).view([4, 8]), x.slice(0, 24, 56).view([4, 8])];
          },
        ],
        [
          "q whose tokens lie on one another",
          "ERR_QKNORM_OVERLAP",
          () => [
            new Tensor(base().data, "f32", [4, 8], { strides: [0, 1] }),
            base().view([8, 8]).slice(0, 0, 4),
          ],
        ],
        [
          "k whose heads overlap",
          "ERR_QKNORM_OVERLAP",
          () => [
            base().view([8, 8]).slice(0, 0, 4),
            new Tensor(base().data, "f32", [4, 8], { strides: [4, 1] }),
          ],
        ],
        [
          "a weight within q",
          "ERR_QKNORM_OVERLAP",
          () => {
            const x = base();
            return [x.view([8, 8]), base().view([8, 8]), { weight: x.slice(0, 8, 16) }];
          },
        ],
        [
          "a bias within k",
          "ERR_QKNORM_OVERLAP",
          () => {
            const x = base();
            return [base().view([8, 8]), x.view([8, 8]), { bias: x.slice(0, 8, 16) }];
          },
        ],
        [
          "a detached weight",
          "ERR_QKNORM_LAYOUT",
          () => {
            const weight = Tensor.zeros([8]);
            detach(weight.data);
            return [base().view([8, 8]), base().view([8, 8]), { weight }];
          },
        ],
        [
          "detached q",
          "ERR_QKNORM_LAYOUT",
          () => {
            const x = base().view([8, 8]);
            detach(x.data);
            return [x, base().view([8, 8])];
          },
        ],
      ];

      test.each(wrong)("%s: an error before anything is written", (_, code, make) => {
        const [q, k, over = {}, options] = make();
        const spec = { ...rms, ...over };
        const memory = [q, k].map((x) => x.data);
        const held = () => memory.map((data) => Array.from({ length: data.length }, (_, i) => data[i]));
        const before = held();
        failure(code, () => applyQkNorm(q, k, norm(spec), norm(spec), 8, options));
        expect(held()).toEqual(before);
      });
    },
  );
});

test.skipIf(reason !== null)(
  `kernels that are no longer in use run nothing more, and are found again${reason ?? ""}`,
  () => {
    let plans = 0;
    const remove = registerFusedQkNorm<Tensor>({
      name: "counts plans",
      claims: () => {
        plans += 1;
        return false;
      },
      prepare: () => [],
    });
    const one = norm(rms);
    const call = (choice: KernelChoice): number => {
      const former = useKernels(choice);
      const before = plans;
      const [q, k] = filled(1, [2, 48], "f32").split(1, [32, 16]) as [Tensor, Tensor];
      applyQkNorm(q, k, one, one, 16);
      useKernels(former);
      return plans - before;
    };
    // One plan asks the counter once: it does not claim q.
    expect([call("native"), call("native"), call("typescript"), call("typescript"), call("native")]).toEqual([
      1, 0, 1, 0, 0,
    ]);
    remove();
  },
);
