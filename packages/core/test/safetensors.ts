import { readFileSync } from "node:fs";
import { decodeBf16, decodeF16 } from "../src/index.ts";

/** A reader for files that this repository made itself: no check of anything. */
export function readSafetensors(file: URL): (name: string) => Float64Array | null {
  const bytes = readFileSync(file);
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString("utf8", 8, start)) as Record<
    string,
    { dtype: "F32" | "BF16" | "F16"; data_offsets: [number, number] }
  >;
  return (name) => {
    const entry = header[name];
    if (entry === undefined) return null;
    const [from, to] = entry.data_offsets;
    const size = entry.dtype === "F32" ? 4 : 2;
    return Float64Array.from({ length: (to - from) / size }, (_, i) => {
      const at = start + from + i * size;
      if (entry.dtype === "F32") return bytes.readFloatLE(at);
      return entry.dtype === "BF16" ? decodeBf16(bytes.readUInt16LE(at)) : decodeF16(bytes.readUInt16LE(at));
    });
  };
}
