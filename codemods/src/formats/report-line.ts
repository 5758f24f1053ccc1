import type { Finding } from "../plan/change.ts";
import type { FileResult } from "../run/run.ts";
import { printable } from "./paint-patch.ts";
import type { Paint } from "./terminal.ts";

/** Where a copy is; `folder` is left out of the path. */
export function place({ path }: FileResult, { line, symbol }: Finding, folder: string, paint: Paint): string {
  return `${paint.bold(`${printable(path.slice(folder.length))}:${line}`)}  ${symbol}`;
}

export function count(n: number, one: string, many: string): string {
  return `${n.toLocaleString("en-US")} ${n === 1 ? one : many}`;
}
