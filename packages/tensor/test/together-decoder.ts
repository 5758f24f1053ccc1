// A decoder's step for one token, as families make it of ops: what `together` is tried on.
import { applyQkNormRope, type NormRounding, type NormSpec } from "@qknorm/core";
import {
  attention,
  type Device,
  type FloatDtype,
  Indices,
  normalize,
  pagedAttention,
  project,
  settle,
  Tensor,
  tidy,
} from "../src/index.ts";

/** A decoder's step for one token. */
export interface StepCase {
  readonly dtype: FloatDtype;
  readonly hidden: number;
  readonly heads: readonly [query: number, keyValue: number];
  readonly headDim: number;
  readonly intermediate: number;
  readonly vocab: number;
  readonly layers: number;
  readonly capacity: number;
  /** Keys before the token: a step is taken at each of these. */
  readonly past: readonly number[];
  /** Turned values of a head; all by default. */
  readonly rotaryDim?: number;
  readonly norm?: Partial<Pick<NormSpec, "kind" | "weightOffset">>;
  readonly qkNorm?: "none";
  /** Of all: norms, rotations, gates and attention. Default: once. */
  readonly rounding?: NormRounding;
  readonly order?: "norm-rope" | "rope-norm";
  readonly bias?: boolean;
  readonly window?: number;
  readonly softCap?: number;
  /** Something between attention and its projection, which no launch has. */
  readonly gap?: boolean;
  /** Keys lie in pages of so many tokens, which are no neighbours; the capacity is a multiple, but not of seven pages. */
  readonly pageSize?: number;
  /** The place in the pages that the token goes to, wherever it stands. Default: where its keys say. */
  readonly goesTo?: number;
  /** All of q, k and v are no numbers. */
  readonly spoiled?: boolean;
}

function withSpec(spec: NormSpec<Tensor>) {
  return Object.assign((x: Tensor) => normalize(x, spec), { spec });
}

/** Where the token stands, and attention over the keys that it sees from there. */
function place(one: StepCase, device: Device) {
  const { capacity, pageSize, headDim, rounding = "once", window = 0, softCap = 0 } = one;
  const span = { ...{ scale: headDim ** -0.5, rounding }, ...{ window, softCap } };
  const count = pageSize === undefined ? 0 : capacity / pageSize;
  const table = Array.from({ length: count }, (_, page) => (page * 7 + 3) % count);
  const standing = Tensor.from([0, 0, 0, ...table], [3 + count], "i32", device);
  const part = (from: number, length: number, bound: number): Indices =>
    Indices.onDevice(standing.slice(0, from, from + length), bound);
  const at = part(0, 1, capacity);
  if (pageSize === undefined) {
    return {
      stand: (past: number): void => {
        tidy(() => standing.copyFrom(Tensor.from([past, 0, 0], [3], "i32", device)));
      },
      ...{ at, slot: at },
      mix: (q: Tensor, k: Tensor, v: Tensor): Tensor => attention(q, k, v, { ...span, past: at }),
    };
  }
  const starts = Indices.onDevice(Tensor.from([0, 1], [2], "i32", device), 2);
  const [slot, lengths, pages] = [part(1, 1, capacity), part(2, 1, capacity + 1), part(3, count, count)];
  const sequences = { ...{ queryStarts: starts, lengths, pages }, ...{ pageSize, mostQueries: 1 } };
  return {
    stand: (past: number): void => {
      const to = one.goesTo ?? past;
      const page = table[Math.floor(to / pageSize)] ?? 0; // of a place that there is not
      const where = [past, page * pageSize + (to % pageSize), Math.min(past + 1, 2 ** 31 - 1), ...table];
      tidy(() => standing.copyFrom(Tensor.from(where, [where.length], "i32", device)));
    },
    ...{ at, slot },
    mix: (q: Tensor, k: Tensor, v: Tensor): Tensor => pagedAttention(q, k, v, { ...span, ...sequences }),
  };
}

/** Random weights, and a cache as it was left; the same at each call. */
export function decoder(one: StepCase, device: Device) {
  const { dtype, hidden, headDim, intermediate, vocab, capacity, bias = false, rounding = "once" } = one;
  const [queryHeads, kvHeads] = one.heads;
  const widths = [queryHeads, kvHeads, kvHeads].map((heads) => heads * headDim);
  const packed = widths.reduce((sum, width) => sum + width, 0);
  let seed = 0;
  const random = (shape: readonly number[], scale: number, type = dtype, mean = 0): Tensor => {
    const count = shape.reduce((product, dim) => product * dim, 1);
    const values = new Float32Array(count);
    for (let i = 0; i < count; i++) {
      seed = (Math.imul(seed, 1664525) + 1013904223) | 0;
      values[i] = mean + scale * (seed / 2 ** 30);
    }
    return Tensor.from(values, shape, type, device);
  };
  const normOf = (width: number): NormSpec<Tensor> => ({
    ...{ kind: "rms", axis: "head", eps: 1e-6, weightOffset: 0, rounding, ...one.norm },
    weight: random([width], 0.1, dtype, one.norm?.weightOffset === 1 ? 0 : 1),
  });
  const weight = (rows: number, columns: number, spoiled = false): Tensor =>
    random([rows, columns], spoiled ? Number.NaN : columns ** -0.5);
  const layers = Array.from({ length: one.layers }, () => ({
    inputNorm: normOf(hidden),
    qkv: weight(packed, hidden, one.spoiled),
    qkvBias: bias ? random([packed], 0.1) : null,
    qNorm: one.qkNorm === "none" ? null : withSpec(normOf(headDim)),
    kNorm: one.qkNorm === "none" ? null : withSpec(normOf(headDim)),
    o: weight(hidden, widths[0] as number),
    mlpNorm: normOf(hidden),
    gateUp: weight(2 * intermediate, hidden),
    down: weight(hidden, intermediate),
    keys: random([capacity, kvHeads, headDim], 1),
    values: random([capacity, kvHeads, headDim], 1),
  }));
  const [norm, head] = [normOf(hidden), weight(vocab, hidden)];
  const embedded = random([1, hidden], 1);
  const half = (one.rotaryDim ?? headDim) / 2;
  const angles = Array.from(
    { length: capacity * half },
    (_, i) => Math.floor(i / half) * 100 ** (-(i % half) / half),
  );
  const table = (f: (x: number) => number): Tensor =>
    Tensor.from(angles.map(f), [capacity, half], "f32", device);
  const rope = { cos: table(Math.cos), sin: table(Math.sin), rounding } as const;
  const caches = layers.flatMap(({ keys, values }) => [keys, values]);
  const before = caches.map((cache) => cache.clone());
  settle([
    norm.weight as Tensor,
    head,
    ...layers.flatMap((layer) =>
      [layer.qkv, layer.o, layer.gateUp, layer.down, layer.inputNorm.weight, layer.mlpNorm.weight].map(
        (x) => x as Tensor,
      ),
    ),
  ]);

  const { stand, at, slot, mix } = place(one, device);

  const forget = (): void => {
    for (const [i, cache] of caches.entries()) cache.copyFrom(before[i] as Tensor);
  };

  /** All that a step leaves. */
  function step(): Tensor[] {
    const left: Tensor[] = [];
    let x = embedded;
    for (const layer of layers) {
      const qkv = project(x, layer.qkv, { norm: layer.inputNorm, bias: layer.qkvBias });
      const [q, k, v] = qkv.split(-1, widths) as [Tensor, Tensor, Tensor];
      const [queries] = applyQkNormRope(q, k, layer.qNorm, layer.kNorm, {
        ...{ headDim, positions: at, v, rope, order: one.order },
        cache: { k: layer.keys, v: layer.values, slots: slot },
      });
      const mixed = mix(queries.view([1, queryHeads, headDim]), layer.keys, layer.values);
      const passed = one.gap === true ? mixed.clone() : mixed;
      const attended = project(passed.view([1, queryHeads * headDim]), layer.o, { residual: x });
      const inner = project(attended, layer.gateUp, { norm: layer.mlpNorm, swiglu: rounding });
      x = project(inner, layer.down, { residual: attended });
      left.push(qkv, mixed, attended, inner, x);
    }
    left.push(project(x, head, { norm }));
    return [...left, ...caches];
  }
  return { step, forget, stand };
}
