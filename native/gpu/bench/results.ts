import { writeFileSync } from "node:fs";
import type { Floors } from "./floors.ts";
import type { GridRow, RowKind } from "./rows.ts";

/** Microseconds per launch, by contender. */
export type Times = Readonly<Record<string, number>>;
export type ResultRow = RowKind & GridRow & { readonly us: Times };

/** What native/gpu/results/h200.json holds. */
export interface Results extends Floors {
  readonly device: string;
  readonly date: string;
  /** The code that was measured. */
  readonly commit: string;
  /** In which of its two states (NOTES.md) the process was at the start of each kind. */
  readonly states: StateNote[];
  /** The seed's grid. */
  readonly rows: ResultRow[];
  /** The seed's own format once more in the loaded state, where the process could be brought there. */
  readonly loadedRows: ResultRow[];
  /** Other head dims, at the grid's largest row. */
  readonly oddRows: ResultRow[];
  /** Between a projection and RoPE: microseconds that the norms add to a layer's share. */
  inSitu?: readonly InSituRow[];
  hostUs?: Times;
  jitMs?: { readonly cold: number; readonly disk: number; readonly memory: number };
  /** The version that torchCompile and torchRmsNorm were measured with, or why they were not. */
  torch?: string;
}

export interface StateNote {
  readonly kind: string;
  readonly state: "quiet" | "loaded";
  /** The seed's design, 8/1 heads x 1 token, warm: what the states are told by. */
  readonly seedOneTokenUs: number;
}

export interface InSituRow extends GridRow {
  readonly us: Times;
}

/** Writes the file anew, one row a line: a run that is cut off has what it measured until then. */
export function writeResults(file: string, results: Results): void {
  const lines = Object.entries(results).map(([key, value]) => {
    const list = Array.isArray(value) && value.length > 0;
    const text = list
      ? `[\n${value.map((row) => `    ${JSON.stringify(row)}`).join(",\n")}\n  ]`
      : JSON.stringify(value);
    return `  ${JSON.stringify(key)}: ${text}`;
  });
  writeFileSync(file, `{\n${lines.join(",\n")}\n}\n`);
}
