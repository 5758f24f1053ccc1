// What QK norm costs without the addon: bf16 RMSNorm in plain TypeScript, one tensor at a time.

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/** RMSNorm of contiguous rows of `headDim` bf16 values, in place: f64 sums, one rounding. */
export function normalizeInTypeScript(
  x: Uint16Array,
  headDim: number,
  weight: Uint16Array,
  eps: number,
): void {
  const wide = new Float32Array(x.length);
  const wideBits = new Uint32Array(wide.buffer);
  for (let i = 0; i < x.length; i++) wideBits[i] = (x[i] as number) << 16;
  const gain = new Float32Array(headDim);
  const gainBits = new Uint32Array(gain.buffer);
  for (let i = 0; i < headDim; i++) gainBits[i] = (weight[i] as number) << 16;

  for (let row = 0; row < x.length; row += headDim) {
    let squares = 0;
    for (let i = row; i < row + headDim; i++) squares += (wide[i] as number) * (wide[i] as number);
    const scale = 1 / Math.sqrt(squares / headDim + eps);
    for (let i = 0; i < headDim; i++) {
      float[0] = (wide[row + i] as number) * scale * (gain[i] as number);
      const pattern = bits[0] as number;
      x[row + i] = (pattern + 0x7fff + ((pattern >>> 16) & 1)) >>> 16;
    }
  }
}
