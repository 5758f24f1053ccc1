import { expectTypeOf, test } from "vitest";
import {
  applyQkNorm,
  explainQkNorm,
  type FallbackPlan,
  type FusedPlan,
  type FusedQkNormProvider,
  type NormLike,
  type NormSpec,
  planQkNorm,
  type QkNormOptions,
  type QkNormPlan,
  registerFusedQkNorm,
  type StreamLike,
  type TensorLike,
  withStream,
} from "./index.ts";

declare class Wrapped {
  readonly shape: readonly number[];
  reshape(shape: number[]): Wrapped;
  readonly wrapped: true;
}
/** Shape behind a method. */
declare class Mlx {
  shape(): number[];
  reshape(shape: readonly number[]): Mlx;
  readonly mlx: true;
}
/** In tfjs's manner: reshape is generic, the shape mutable. */
declare class Tfjs {
  shape: number[];
  reshape<T extends Tfjs>(shape: number[]): T;
  readonly tfjs: true;
}
/** In jax-js's manner: reshape takes one number as well, and returns `this` type arrays. */
declare class Jax {
  get shape(): number[];
  get ref(): this;
  reshape(shape: number | number[]): Jax;
  readonly jax: true;
}

declare function of<T>(): T;

test("applyQkNorm infers the tensor type and returns a pair of it", () => {
  const norm = of<NormLike<Wrapped>>();
  expectTypeOf(applyQkNorm(of<Wrapped>(), of<Wrapped>(), norm, norm, 128)).toEqualTypeOf<
    [Wrapped, Wrapped]
  >();
  expectTypeOf(
    applyQkNorm(
      of<Mlx>(),
      of<Mlx>(),
      (x) => x,
      (x) => x,
      64,
    ),
  ).toEqualTypeOf<[Mlx, Mlx]>();
  const tfjs = of<NormLike<Tfjs>>();
  expectTypeOf(applyQkNorm(of<Tfjs>(), of<Tfjs>(), tfjs, tfjs, 64)).toEqualTypeOf<[Tfjs, Tfjs]>();
  const jax = of<NormLike<Jax>>();
  expectTypeOf(applyQkNorm(of<Jax>(), of<Jax>(), jax, jax, 64)).toEqualTypeOf<[Jax, Jax]>();
});

test("the pair can be assigned back in one line", () => {
  let q = of<Wrapped>();
  let k = of<Wrapped>();
  const norm = of<NormLike<Wrapped>>();
  [q, k] = applyQkNorm(q, k, norm, norm, 128);
  expectTypeOf(q).toEqualTypeOf<Wrapped>();
  expectTypeOf(k).toEqualTypeOf<Wrapped>();
});

test("tensors of two libraries are refused", () => {
  const norm = of<NormLike<Wrapped>>();
  // @ts-expect-error k is of another library
  applyQkNorm(of<Wrapped>(), of<Mlx>(), norm, norm, 128);
  // @ts-expect-error the k norm is for another library
  applyQkNorm(of<Wrapped>(), of<Wrapped>(), norm, of<NormLike<Mlx>>(), 128);
  // @ts-expect-error a plain array is no tensor
  applyQkNorm([1, 2], [3, 4], norm, norm, 128);
  // @ts-expect-error the head dim is a number
  applyQkNorm(of<Wrapped>(), of<Wrapped>(), norm, norm, "128");
});

test("a norm is a module or a function, with or without a spec, and nothing else", () => {
  type Norm = NormLike<Wrapped>;
  expectTypeOf<(x: Wrapped) => Wrapped>().toExtend<Norm>();
  expectTypeOf<{ forward(x: Wrapped): Wrapped }>().toExtend<Norm>();
  expectTypeOf<{ forward(x: Wrapped): Wrapped; spec: NormSpec }>().toExtend<Norm>();
  expectTypeOf<{ forward(x: Wrapped): Wrapped; spec: NormSpec<Wrapped> | undefined }>().toExtend<Norm>();
  expectTypeOf<((x: Wrapped) => Wrapped) & { spec: NormSpec }>().toExtend<Norm>();
  expectTypeOf<{ forward(x: Wrapped): Promise<Wrapped> }>().not.toExtend<Norm>();
  expectTypeOf<{ forward(x: Mlx): Mlx }>().not.toExtend<Norm>();
  expectTypeOf<{ spec: NormSpec }>().not.toExtend<Norm>();
  expectTypeOf<{ forward(x: Wrapped): Wrapped; spec: string }>().not.toExtend<Norm>();
});

test("a tensor without shape is none; reshape may be missing, but not be another thing", () => {
  expectTypeOf<Wrapped>().toExtend<TensorLike<Wrapped>>();
  expectTypeOf<Mlx>().toExtend<TensorLike<Mlx>>();
  expectTypeOf<{ shape: number[] }>().toExtend<TensorLike<{ shape: number[] }>>();
  expectTypeOf<{ shape: number[]; reshape: string }>().not.toExtend<TensorLike<never>>();
  expectTypeOf<{ reshape(shape: number[]): Wrapped }>().not.toExtend<TensorLike<Wrapped>>();
});

test("a plan narrows by its path", () => {
  const plan = of<QkNormPlan>();
  if (plan.path === "fused") {
    expectTypeOf(plan).toEqualTypeOf<FusedPlan>();
    expectTypeOf(plan.provider).toEqualTypeOf<string>();
  } else {
    expectTypeOf(plan).toEqualTypeOf<FallbackPlan>();
    expectTypeOf(plan.streams).toEqualTypeOf<1 | 2>();
  }
  // @ts-expect-error only a fallback has reasons
  void plan.reasons;
});

test("options take a stream that may be missing, under exactOptionalPropertyTypes", () => {
  expectTypeOf<{ altStream: StreamLike | undefined }>().toExtend<QkNormOptions>();
  expectTypeOf<{ altStream: StreamLike | null }>().toExtend<QkNormOptions>();
  expectTypeOf<{ allowInplace: boolean | undefined }>().toExtend<QkNormOptions>();
  expectTypeOf<{ altStream: string }>().not.toExtend<QkNormOptions>();
  const norm = of<NormLike<Wrapped>>();
  applyQkNorm(of<Wrapped>(), of<Wrapped>(), norm, norm, 128, undefined);
  // @ts-expect-error an option that is misspelt
  applyQkNorm(of<Wrapped>(), of<Wrapped>(), norm, norm, 128, { allowInPlace: true });
});

test("a spec may be written with its bias missing, null or undefined", () => {
  type Bias = Pick<NormSpec<Wrapped>, "bias">;
  expectTypeOf<{ bias: Wrapped | undefined }>().toExtend<Bias>();
  expectTypeOf<{ bias: null }>().toExtend<Bias>();
  expectTypeOf<{ kind: "batch" }>().not.toExtend<Pick<NormSpec, "kind">>();
});

test("planning and explaining take the same request", () => {
  const norm = of<NormLike<Mlx>>();
  const request = { q: of<Mlx>(), k: of<Mlx>(), qNorm: norm, kNorm: norm, headDim: 64 };
  expectTypeOf(planQkNorm(request)).toEqualTypeOf<QkNormPlan>();
  expectTypeOf(explainQkNorm(request)).toEqualTypeOf<string>();
  expectTypeOf(explainQkNorm(planQkNorm(request))).toEqualTypeOf<string>();
});

test("a provider is registered for its own tensor type, and scopes return what their function does", () => {
  expectTypeOf(registerFusedQkNorm<Wrapped>)
    .parameter(0)
    .toEqualTypeOf<FusedQkNormProvider<Wrapped>>();
  expectTypeOf(registerFusedQkNorm(of<FusedQkNormProvider<Wrapped>>())).toEqualTypeOf<() => void>();
  expectTypeOf(withStream(of<StreamLike>(), () => 7)).toEqualTypeOf<number>();
});
