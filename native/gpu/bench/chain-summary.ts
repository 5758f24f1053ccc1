import { type Design, designs } from "./chain-contenders.ts";
import { type ChainRow, chainName, leastBytes } from "./chain-rows.ts";
import type { Floors } from "./floors.ts";

/** What native/gpu/results/h200-chain.json holds. */
export interface ChainResults extends Floors {
  readonly device: string;
  readonly date: string;
  /** The code that was measured. */
  readonly commit: string;
  /** Microseconds, by contender. */
  readonly rows: (ChainRow & { readonly us: Readonly<Record<string, number>> })[];
}

const columns = ["chain", "chainE4m3", ...designs, "normAlone"] as const;

/** A table of the rows, and how the goals stand. */
export function chainSummary(results: ChainResults): string {
  const { rows, copyTBs } = results;
  const lines = [
    `${results.device}, ${results.date}, commit ${results.commit}; copy ${copyTBs} TB/s, empty launch ${results.emptyUs} us`,
    [
      "".padEnd(14),
      ...columns.map((name) => name.padStart(20)),
      "best over chain".padStart(17),
      "floor".padStart(9),
    ].join(""),
  ];
  for (const row of rows) {
    const cells = columns.map((name) => (row.us[name] as number).toFixed(3).padStart(20));
    const floor = leastBytes(row) / copyTBs / 1e6;
    lines.push(
      [
        chainName(row).padEnd(14),
        ...cells,
        ratioOf(row.us).toFixed(2).padStart(17),
        floor.toFixed(1).padStart(9),
      ].join(""),
    );
  }
  return `${[...lines, "", ...goalsOf(results)].join("\n")}\n`;
}

/** How many times as long as the chain the fastest other design takes. */
export function ratioOf(us: Readonly<Record<string, number>>): number {
  return Math.min(...designs.map((name: Design) => us[name] as number)) / (us.chain as number);
}

function goalsOf({ rows }: ChainResults): string[] {
  const ratios = rows.map(({ us }) => ratioOf(us));
  const mean = Math.exp(ratios.reduce((sum, ratio) => sum + Math.log(ratio), 0) / ratios.length);
  const one = Math.max(...rows.filter(({ tokens }) => tokens === 1).map(({ us }) => us.chain as number));
  const top = rows.find(({ queryHeads, tokens }) => queryHeads === 64 && tokens === 8192)?.us.chain;
  return [
    judged("worst row, times the best of three designs", Math.min(...ratios), 1, "least"),
    judged("geometric mean", mean, 2, "least"),
    judged("one token, us", one, 0.85, "most"),
    ...(top === undefined ? [] : [judged("64/8 x 8192, us", top, 92, "most")]),
  ];
}

function judged(what: string, value: number, limit: number, bound: "least" | "most"): string {
  const met = bound === "least" ? value >= limit : value <= limit;
  return `${met ? "met   " : "MISSED"} ${what}: ${value.toFixed(3)} (${bound === "least" ? ">=" : "<="} ${limit})`;
}
