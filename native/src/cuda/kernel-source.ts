import { readFileSync } from "node:fs";

const folder = new URL("../../kernels/", import.meta.url);
const read = (name: string) => readFileSync(new URL(name, folder), "utf8");
const known = new Map<string, string>();

/** The text of `native/kernels/<name>.cu` behind what all kernels start with; it includes nothing. */
export function kernelSource(name: string): string {
  let text = known.get(name);
  if (text === undefined) {
    text = `#line 1 "elements.cuh"\n${read("elements.cuh")}\n#line 1 "${name}.cu"\n${read(`${name}.cu`)}`;
    known.set(name, text);
  }
  return text;
}
