// Ops that carry a state from token to token, in f64 as their formulas read, over lists in row-major order.

type Values = ArrayLike<number>;

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** Each channel of `[state, x]` over its own taps: `[T, C]`, and the rows that come before the next tokens. */
export function naiveCausalConv(
  x: Values,
  weight: Values,
  bias: Values | null,
  state: Values,
  { tokens, channels, taps }: { tokens: number; channels: number; taps: number },
): { out: number[]; state: number[] } {
  const rows = [...Array.from(state), ...Array.from(x)];
  const out = range(tokens * channels).map((at) => {
    const [token, c] = [Math.floor(at / channels), at % channels];
    const products = range(taps).map((j) => weight[c * taps + j]! * rows[(token + j) * channels + c]!);
    return products.reduce((sum, product) => sum + product, bias?.[c] ?? 0);
  });
  return { out, state: rows.slice(tokens * channels) };
}

export interface DeltaSizes {
  readonly tokens: number;
  readonly keyHeads: number;
  readonly heads: number;
  readonly keyDim: number;
  readonly valueDim: number;
}

export interface DeltaInputs<T = Values> {
  readonly q: T;
  readonly k: T;
  readonly v: T;
  readonly a: T;
  readonly b: T;
  readonly aLog: T;
  readonly dtBias: T;
}

/** `S = e^g S + beta k (v - e^g S^T k)^T; out = scale S^T q` of each value head. */
export function naiveGatedDelta(
  { q, k, v, a, b, aLog, dtBias }: DeltaInputs,
  before: Values,
  { tokens, keyHeads, heads, keyDim, valueDim }: DeltaSizes,
  scale: number,
  round: (value: number) => number,
): { out: number[]; state: number[] } {
  const state = Array.from(before);
  const cell = (head: number, i: number, j: number): number => (head * keyDim + i) * valueDim + j;
  const out = new Array<number>(tokens * heads * valueDim);
  for (const token of range(tokens)) {
    for (const head of range(heads)) {
      const keyHead = Math.floor(head / (heads / keyHeads));
      const at = (values: Values, i: number): number => values[(token * keyHeads + keyHead) * keyDim + i]!;
      const gate = token * heads + head;
      const decay = Math.exp(-Math.exp(aLog[head]!) * Math.log(1 + Math.exp(a[gate]! + dtBias[head]!)));
      const beta = round(1 / (1 + Math.exp(-b[gate]!)));
      for (const j of range(valueDim)) {
        const column = range(keyDim).map((i) => decay * state[cell(head, i, j)]!);
        const held = column.reduce((sum, value, i) => sum + value * at(k, i), 0);
        const change = beta * (v[gate * valueDim + j]! - held);
        for (const i of range(keyDim)) state[cell(head, i, j)] = column[i]! + at(k, i) * change;
        out[gate * valueDim + j] = range(keyDim).reduce(
          (sum, i) => sum + scale * at(q, i) * state[cell(head, i, j)]!,
          0,
        );
      }
    }
  }
  return { out, state };
}
