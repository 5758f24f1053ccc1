import { formatShape, QkNormError } from "@qknorm/core";
import type { ConfigFields } from "./config-fields.ts";
import { shown, shownName } from "./shown-value.ts";
import { computedWeight, readFloat32, type Weight, type Weights } from "./weights.ts";

/** How block-quantised FP8 weights are stored: one scale for each block of `rows` times `columns`. */
export interface BlockFp8 {
  readonly rows: number;
  readonly columns: number;
}

const SCALE = "_scale_inv";

/**
 * Reads `quantization_config`: FP8 (E4M3) with a scale for each block, as DeepSeek and Qwen publish it. Null where the
 * weights are not quantised.
 *
 * @throws ERR_CHECKPOINT for any other quantisation, by name
 */
export function readQuantization(fields: ConfigFields): BlockFp8 | null {
  const quantization = fields.object("quantization_config");
  if (quantization === null) return null;
  const method = quantization.value("quant_method");
  if (method !== "fp8") {
    return fields.fail(
      "quantization_config",
      `asks for ${shown(method)}; of quantised weights only block-wise "fp8" is supported`,
    );
  }
  quantization.oneOf("fmt", ["e4m3"], "e4m3");
  // How activations are rounded before a product; here they are not.
  quantization.oneOf("activation_scheme", ["dynamic"], "dynamic");
  // The tensors themselves say which are quantised.
  quantization.value("modules_to_not_convert");
  quantization.value("ignored_layers");
  if (!quantization.has("weight_block_size")) {
    return quantization.fail("weight_block_size", "is missing; FP8 with one scale a tensor is not supported");
  }
  const block = quantization.numbers("weight_block_size");
  if (block.length !== 2 || !block.every((size) => Number.isSafeInteger(size) && size > 0)) {
    return quantization.fail("weight_block_size", `must be two positive integers, got ${shown(block)}`);
  }
  const [rows, columns] = block as readonly [number, number];
  return Object.freeze({ rows, columns });
}

/**
 * The weights with each FP8 matrix `[N, K]`, or stack of them `[E, N, K]`, and its `weight_scale_inv`
 * `[ceil(N / rows), ceil(K / columns)]` of each as one weight in f32: value times scale of its block, as transformers does it where it cannot run FP8 (`Fp8Dequantize` in
 * `integrations/finegrained_fp8.py`).
 *
 * @throws ERR_CHECKPOINT for a scale without its matrix, or of a shape that does not fit
 */
export function dequantizedBlocks(weights: Weights, block: BlockFp8): Weights {
  const result = new Map<string, Weight>();
  for (const [name, weight] of weights) {
    if (name.endsWith(SCALE)) {
      const matrix = weights.get(name.slice(0, -SCALE.length));
      if (matrix?.dtype !== "F8_E4M3") fail(name, "has no FP8 matrix beside it");
      continue;
    }
    const scale = weights.get(name + SCALE);
    result.set(name, scale === undefined ? weight : dequantized(name, weight, scale, block));
  }
  return result;
}

function dequantized(name: string, weight: Weight, scale: Weight, { rows, columns }: BlockFp8): Weight {
  const [height = 0, width = 0] = weight.shape.slice(-2);
  const stack = weight.shape.slice(0, -2);
  const [blocksDown, blocksAcross] = [Math.ceil(height / rows), Math.ceil(width / columns)];
  const grid = [...stack, blocksDown, blocksAcross];
  if (stack.length > 1 || weight.shape.length < 2 || scale.shape.join() !== grid.join()) {
    fail(
      name,
      `is FP8 ${formatShape(weight.shape)} with scales ${formatShape(scale.shape)}; blocks of ${rows} x ${columns} need ${formatShape(grid)}`,
    );
  }
  return computedWeight(weight.shape, () => {
    const scales =
      readFloat32(scale) ?? fail(name + SCALE, `has dtype ${scale.dtype}; scales must be floats`);
    const patterns = weight.read() as Uint8Array;
    const values = new Float32Array(patterns.length);
    for (let line = 0, i = 0; i < values.length; line++) {
      const [matrix, row] = [Math.floor(line / height), line % height];
      const scaleRow = (matrix * blocksDown + Math.floor(row / rows)) * blocksAcross;
      for (let column = 0; column < width; column++, i++) {
        const blockScale = scales[scaleRow + Math.floor(column / columns)] as number;
        values[i] = (E4M3[patterns[i] as number] as number) * blockScale;
      }
    }
    return values;
  });
}

/** The value of every pattern of FP8 E4M3 (OCP 8-bit floating point, 2023): bias 7, no infinity, NaN at S.1111.111. */
const E4M3 = Float32Array.from({ length: 256 }, (_, pattern) => {
  const sign = pattern >>> 7 === 1 ? -1 : 1;
  const exponent = (pattern >>> 3) & 15;
  const mantissa = pattern & 7;
  if (exponent === 15 && mantissa === 7) return Number.NaN;
  return exponent === 0 ? (sign * mantissa) / 2 ** 9 : sign * (1 + mantissa / 8) * 2 ** (exponent - 7);
});

function fail(name: string, problem: string): never {
  throw new QkNormError("ERR_CHECKPOINT", `${shownName(name)} ${problem}`);
}
