// The launch configurations of the chain that are tried, and the launch table that follows from their times.
import type { LaunchConfig } from "../../src/index.ts";
import { type ChainRow, chainHeadDim, rowsOf } from "./chain-rows.ts";

const [atOnce, whenLoaded, atEnd, beforeWait, whenDivided] = [1, 2, 3, 4, 5] as const;
type Trigger = LaunchConfig["trigger"];

/** What may win for this much work. */
export function chainCandidates(row: ChainRow): LaunchConfig[] {
  const rows = rowsOf(row);
  if (rows < 1000) {
    return [
      ...product([16], [1], [64, 96, 128, 192, 256, 320, 384, 512], [atOnce, beforeWait, whenDivided], [1]),
      ...product([8], [1], [64, 128, 192, 256], [atOnce, beforeWait, whenDivided], [1]),
      ...product([16], [1], [128, 256], [beforeWait, whenDivided], [0]),
    ];
  }
  if (rows < 20_000) {
    return [
      ...product([16, 8], [1], [64, 128, 192, 256, 384], [atOnce, beforeWait, whenLoaded], [1]),
      ...product([16, 8], [2], [64, 128, 192, 256], [beforeWait, whenLoaded], [1]),
      ...product([16, 8], [1], [128, 256], [beforeWait, atEnd], [0]),
    ];
  }
  return [
    ...product([16, 8], [1, 2], [64, 128, 192, 256, 384], [whenLoaded, atEnd], [1]),
    ...product([16, 8], [4], [64, 128, 256], [whenLoaded, atEnd], [0, 1]),
    ...product([16, 8], [1, 2], [128, 256], [whenLoaded, atEnd], [0]),
    ...product([8], [2], [128, 256], [beforeWait], [1]),
  ];
}

function product(
  lanes: readonly number[],
  rows: readonly number[],
  blocks: readonly number[],
  triggers: readonly Trigger[],
  prefetches: readonly (0 | 1)[],
): LaunchConfig[] {
  return lanes.flatMap((lane) =>
    rows.flatMap((row) =>
      blocks.flatMap((block) =>
        triggers.flatMap((trigger) =>
          prefetches.map((prefetch) => ({
            ...({ lanes: lane, rows: row, block, trigger, loop: 0, waves: 0, prefetch, radix: 4 } as const),
          })),
        ),
      ),
    ),
  );
}

/** Microseconds of each configuration that was tried on a row. */
export interface Tuned {
  readonly row: ChainRow;
  readonly us: Readonly<Record<string, number>>;
}

/** A configuration may be so much slower than the best of a row to stand for it too. */
const slack = 1.015;

/** The ranges of a launch table: as few as serve every row within the slack. */
export function tableOf(tuned: readonly Tuned[], configs: ReadonlyMap<string, LaunchConfig>) {
  const rows = [...tuned].sort((a, b) => rowsOf(a.row) - rowsOf(b.row));
  const ranges: { from: number; to: number; name: string }[] = [];
  for (let from = 0; from < rows.length; ) {
    let to = from + 1;
    let name = bestOf(rows.slice(from, to)).name;
    while (to < rows.length) {
      const longer = bestOf(rows.slice(from, to + 1));
      if (longer.worst > slack) break;
      name = longer.name;
      to += 1;
    }
    ranges.push({ from, to, name });
    from = to;
  }
  return ranges.map(({ to, name }) => {
    const { lanes, ...config } = configs.get(name) as LaunchConfig;
    const chunks = (at: number) => (rowsOf((rows[at] as Tuned).row) * chainHeadDim) / 8;
    const chunksBelow = to === rows.length ? null : Math.round(Math.sqrt(chunks(to - 1) * chunks(to)));
    return { chunksBelow, chunksPerLane: chainHeadDim / 8 / lanes, ...config };
  });
}

/** The configuration whose worst row of these is best. */
function bestOf(rows: readonly Tuned[]): { readonly name: string; readonly worst: number } {
  const names = Object.keys((rows[0] as Tuned).us).filter((name) => rows.every(({ us }) => name in us));
  let best = { name: "", worst: Number.POSITIVE_INFINITY };
  for (const name of names) {
    const worst = Math.max(...rows.map(({ us }) => (us[name] as number) / Math.min(...Object.values(us))));
    if (worst < best.worst) best = { name, worst };
  }
  return best;
}
