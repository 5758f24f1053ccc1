// The launch configurations of the chain that are tried, and the launch table that follows from their times.
import type { LaunchConfig } from "../../src/index.ts";
import { type ChainRow, chainHeadDim, rowsOf } from "./chain-rows.ts";

const [atOnce, whenLoaded, atEnd, beforeWait, whenDivided] = [1, 2, 3, 4, 5] as const;
type Trigger = LaunchConfig["trigger"];

/** What may win for this much work. */
export function chainCandidates(row: ChainRow): LaunchConfig[] {
  const rows = rowsOf(row);
  if (rows < 1000) {
    return all({
      lanes: [16, 8],
      block: [64, 96, 128, 256],
      trigger: [atOnce, beforeWait, whenDivided],
      prefetch: [1, 2],
    });
  }
  if (rows < 20_000) {
    return [
      ...all({
        lanes: [16, 8],
        rows: [1, 2],
        block: [64, 128, 256],
        trigger: [beforeWait, whenLoaded],
        prefetch: [1, 2],
      }),
      ...all({ lanes: [8], rows: [2, 4], block: [64, 128, 256], trigger: [whenLoaded, atEnd] }),
      ...many([128, 256], [beforeWait, whenLoaded], [0, 1]),
    ];
  }
  return [
    ...all({ lanes: [8], rows: [2], block: [64, 128, 256], trigger: [beforeWait, atEnd], prefetch: [0, 1] }),
    ...many([64, 128, 256], [atEnd], [0]),
    ...many([128, 256], [whenLoaded], [0]),
    ...many([256], [atEnd], [1]),
    ...many([256], [atEnd], [0]).map((config) => ({ ...config, late: 2 as const })),
    ...[
      [16, 1, 10],
      [16, 2, 8],
      [8, 1, 8],
      [8, 2, 5],
    ].flatMap(([lanes, rows, waves]) =>
      all({
        lanes: [lanes as number],
        rows: [rows as number],
        block: [128],
        trigger: [atEnd],
        late: [0, 1],
      }).map((config) => {
        return { ...config, loop: 2 as const, waves: waves as number, resident: waves as number };
      }),
    ),
  ];
}

/** Those that read angles late, in as many registers as let the most rows be on their way. */
function many(
  block: readonly number[],
  trigger: readonly Trigger[],
  prefetch: readonly (0 | 1)[],
): LaunchConfig[] {
  return [
    [16, 1, 2048],
    [16, 2, 1536],
    [8, 1, 1280],
    [8, 2, 1024],
    [8, 4, 640],
  ].flatMap(([lanes, rows, threads]) =>
    all({ lanes: [lanes as number], rows: [rows as number], block, trigger, prefetch, late: [1] }).map(
      (config) => {
        return { ...config, resident: Math.floor((threads as number) / config.block) };
      },
    ),
  );
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
