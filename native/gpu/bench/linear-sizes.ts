/** A product `[M, inputs] -> [M, outputs]`; with SwiGLU the outputs are gates and ups. */
export interface ProductSize {
  readonly name: string;
  readonly outputs: number;
  readonly inputs: number;
  readonly norm: boolean;
  readonly swiglu: boolean;
  readonly residual: boolean;
}

/** The four products of a decoder layer, in order, and how many such layers there are. */
export interface LayerSizes {
  readonly name: string;
  readonly layers: number;
  readonly products: readonly ProductSize[];
}

function layer(
  name: string,
  layers: number,
  hidden: number,
  qkv: number,
  mixed: number,
  inner: number,
): LayerSizes {
  const plain = { norm: false, swiglu: false, residual: false };
  return {
    name,
    layers,
    products: [
      { ...plain, name: `${name} qkv`, outputs: qkv, inputs: hidden, norm: true },
      { ...plain, name: `${name} out`, outputs: hidden, inputs: mixed, residual: true },
      { ...plain, name: `${name} gate-up`, outputs: 2 * inner, inputs: hidden, norm: true, swiglu: true },
      { ...plain, name: `${name} down`, outputs: hidden, inputs: inner, residual: true },
    ],
  };
}

/** Qwen3's, from the published configurations. */
export const layers: readonly LayerSizes[] = [
  layer("0.6B", 28, 1024, 4096, 2048, 3072),
  layer("8B", 36, 4096, 6144, 4096, 12288),
];

const head = (name: string, inputs: number): ProductSize => ({
  ...{ name: `${name} head`, outputs: 151_936, inputs },
  ...{ norm: false, swiglu: false, residual: false },
});

export const products: readonly ProductSize[] = [
  ...layers.flatMap((model) => model.products),
  head("0.6B", 1024),
  head("8B", 4096),
];
