import type { Tensor } from "./tensor.ts";

/** FNV-1a over the f32 bits, as eight hex digits: two outputs with one checksum are the same bits. */
export function checksum(x: Tensor): string {
  const bits = new Uint32Array(x.data.buffer, x.data.byteOffset, x.data.length);
  let hash = 0x811c9dc5;
  for (const word of bits) {
    for (let shift = 0; shift < 32; shift += 8) {
      hash = Math.imul(hash ^ ((word >>> shift) & 0xff), 0x01000193);
    }
  }
  return (hash >>> 0).toString(16).padStart(8, "0");
}
