import type { HelperCall, PairAssignment } from "../front-end.ts";

/**
 * The helper's call with every argument named. On one line if it fits; else one argument a line with a trailing comma,
 * which is how black leaves such a call.
 */
export function writeCall(call: HelperCall): string {
  const { layout, callee } = call;
  const args = [
    `q=${call.q}`,
    `k=${call.k}`,
    `q_norm=${call.qNorm}`,
    `k_norm=${call.kNorm}`,
    ...(call.headDim === undefined ? [] : [`head_dim=${call.headDim}`]),
    ...(call.altStream === undefined ? [] : [`alt_stream=${call.altStream}`]),
    ...(call.allowInplace === undefined ? [] : ["allow_inplace=False"]),
    ...(call.headOrder === undefined ? [] : [`layout=${layout.quote}${call.headOrder}${layout.quote}`]),
  ];
  const line = `${callee}(${args.join(", ")})`;
  if (layout.column + line.length <= layout.width && !/[\r\n]/.test(line)) return line;
  const indent = `${layout.lineEnd}${layout.indent}`;
  return `${callee}(${args.map((arg) => `${indent}${layout.unit}${arg},`).join("")}${indent})`;
}

/** `q, k = value`. Python declares by assigning. */
export function writeAssignment({ q, k, value }: PairAssignment): string {
  return `${q}, ${k} = ${value}`;
}

export function writeVariable({ name, value }: { readonly name: string; readonly value: string }): string {
  return `${name} = ${value}`;
}

export function writeComment(words: string): string {
  return `# ${words}`;
}

export function writeFunction(param: string, body: string): string {
  return `lambda ${param}: ${body}`;
}
