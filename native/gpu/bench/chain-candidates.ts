// The launch configurations of the chain that are tried, and the launch table that follows from their times.
import type { LaunchConfig } from "../../src/index.ts";
import { type ChainRow, chainHeadDim, rowsOf } from "./chain-rows.ts";

const [atOnce, whenLoaded, atEnd, beforeWait, whenDivided] = [1, 2, 3, 4, 5] as const;

/** What may win for this much work. */
export function chainCandidates(row: ChainRow): LaunchConfig[] {
  const rows = rowsOf(row);
  if (rows < 1000) {
    return all({
      lanes: [16, 8],
      block: [64, 128],
      trigger: [atOnce, whenLoaded, beforeWait, whenDivided],
      prefetch: [2],
    });
  }
  const many = all({ lanes: [8], rows: [2], trigger: [whenLoaded, atEnd], late: [1], resident: [8] });
  if (rows < 20_000) {
    return [
      ...all({
        lanes: [8],
        rows: [1, 2],
        block: [64, 128, 256],
        trigger: [beforeWait, whenLoaded, atEnd],
        prefetch: [0, 1, 2],
      }),
      ...all({ lanes: [8], rows: [1], trigger: [whenLoaded, atEnd], late: [1], resident: [10] }),
      ...all({ lanes: [8], rows: [4], trigger: [whenLoaded, atEnd], late: [1], resident: [5] }),
      ...many,
    ];
  }
  return [
    ...many,
    ...all({ lanes: [8], rows: [4], block: [64], trigger: [atEnd], late: [1], resident: [10] }),
    ...all({ lanes: [8], rows: [1], trigger: [atEnd], late: [1], resident: [10] }),
    ...[
      [8, 2, 5],
      [8, 2, 6],
      [8, 2, 8],
      [8, 1, 8],
      [8, 1, 10],
      [16, 2, 8],
      [16, 2, 10],
    ].flatMap(([lanes = 8, rows = 1, waves = 8]) =>
      all({
        lanes: [lanes],
        rows: [rows],
        trigger: [atEnd],
        loop: [1, 2, 3],
        waves: [waves],
        late: [1],
        resident: [waves],
      }),
    ),
  ];
}

type Tried = { readonly [K in keyof LaunchConfig]?: readonly LaunchConfig[K][] };

/** Every combination of what is tried; one value stands for what is not. */
function all(tried: Tried): LaunchConfig[] {
  const first = {
    lanes: 16,
    rows: 1,
    block: 128,
    trigger: atOnce,
    loop: 0,
    waves: 0,
    prefetch: 0,
    radix: 4,
  } as LaunchConfig;
  return Object.entries(tried).reduce<LaunchConfig[]>(
    (some, [field, values]) =>
      some.flatMap((config) => values.map((value) => ({ ...config, [field]: value }))),
    [first],
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
