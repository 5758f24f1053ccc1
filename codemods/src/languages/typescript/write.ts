import type { HelperCall, PairAssignment } from "../front-end.ts";

/** On one line if it fits; else one argument a line with a trailing comma, which is how prettier and biome leave it. */
export function writeCall({ layout, callee, ...call }: HelperCall): string {
  const options = [
    ...(call.altStream === undefined ? [] : [`altStream: ${call.altStream}`]),
    ...(call.allowInplace === undefined ? [] : ["allowInplace: false"]),
    ...(call.headOrder === undefined ? [] : [`layout: ${layout.quote}${call.headOrder}${layout.quote}`]),
  ];
  const args = [
    call.q,
    call.k,
    call.qNorm,
    call.kNorm,
    ...(call.headDim === undefined ? [] : [call.headDim]),
  ];
  const plain = args.join(", ");
  if (options.length > 0) args.push(`{ ${options.join(", ")} }`);
  const line = `${callee}(${args.join(", ")})`;
  if (layout.column + line.length + 1 <= layout.width && !/[\r\n]/.test(line)) return line;
  const indent = `${layout.lineEnd}${layout.indent}`;
  // Options that come last are opened up in place, if the rest fits on the first line.
  const head = `${callee}(${plain}, {`;
  if (options.length > 0 && layout.column + head.length <= layout.width && !/[\r\n]/.test(head)) {
    return `${head}${options.map((one) => `${indent}${layout.unit}${one},`).join("")}${indent}})`;
  }
  return `${callee}(${args.map((arg) => `${indent}${layout.unit}${arg},`).join("")}${indent})`;
}

export function writeAssignment({ q, k, value, declares, semicolon }: PairAssignment): string {
  const keyword = declares === undefined ? "" : `${declares} `;
  // Without semicolons a line that begins with a bracket would index what the line before ends with.
  const guard = declares === undefined && !semicolon && value !== "" ? ";" : "";
  return `${guard}${keyword}[${q}, ${k}] = ${value}${semicolon ? ";" : ""}`;
}

export function writeVariable({
  name,
  value,
  semicolon,
}: {
  readonly name: string;
  readonly value: string;
  readonly semicolon: boolean;
}): string {
  return `const ${name} = ${value}${semicolon ? ";" : ""}`;
}

export function writeComment(words: string): string {
  return `// ${words}`;
}

export function writeFunction(param: string, body: string): string {
  return `(${param}) => ${body}`;
}
