import { writeFileSync } from "node:fs";

/** A tensor to be written; a plain array is F32 of one axis. */
export type WrittenTensor =
  | Float32Array
  | { readonly dtype: string; readonly shape: readonly number[]; readonly data: ArrayBufferView };

/** Writes a safetensors file. */
export function writeSafetensors(path: string, tensors: Readonly<Record<string, WrittenTensor>>): void {
  let end = 0;
  const header: Record<string, unknown> = {};
  const parts: Uint8Array[] = [];
  for (const [name, tensor] of Object.entries(tensors)) {
    const { dtype, shape, data } =
      tensor instanceof Float32Array ? { dtype: "F32", shape: [tensor.length], data: tensor } : tensor;
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    header[name] = { dtype, shape, data_offsets: [end, end + bytes.length] };
    end += bytes.length;
    parts.push(bytes);
  }
  const text = new TextEncoder().encode(JSON.stringify(header));
  const size = new Uint8Array(new BigUint64Array([BigInt(text.length)]).buffer);
  writeFileSync(path, Buffer.concat([size, text, ...parts]));
}
