import type { ResultRow, Results } from "./results.ts";
import { grid, kinds, nameOf, oddHeadDims, rowBytes } from "./rows.ts";

const baselines = ["seedDesign", "mid2026Design", "twoNorms", "torchCompile", "torchRmsNorm", "deviceCopy"];
const width = 42;

/** The printed table: each kind's geometric means and worst row against each baseline, and the goals. */
export function summarize(results: Results): string {
  const lines = [
    `${results.device}, ${results.date}, commit ${results.commit}`,
    stateLine(results),
    `copy of 4 GiB ${results.copyTBs} TB/s; empty launch ${results.emptyUs} us (${results.emptyAloneUs} without PDL)`,
    "",
    "times the fused kernel's: geometric mean (worst row)",
    ["kind, state of the process".padEnd(width), ...baselines.map((name) => name.padStart(16))].join(""),
  ];
  for (const [state, rows] of [
    ["", results.rows],
    [", loaded", results.loadedRows],
  ] as const) {
    for (const kind of kinds) {
      const own = rows.filter((row) => nameOf(row) === nameOf(kind));
      if (own.length > 0) lines.push(ratioLine(`${nameOf(kind)}${state}`, own));
    }
  }
  lines.push("", ...largestRows(results), ...inSituLines(results), "", ...goals(results));
  if (results.loadedRows.length > 0) {
    lines.push(
      "",
      "the same in the loaded state:",
      ...goals({ ...results, rows: results.loadedRows, oddRows: [] }),
    );
  }
  return `${lines.join("\n")}\n`;
}

function stateLine({ states }: Results): string {
  const seen = states.map(
    ({ kind, state, seedOneTokenUs }) => `${state} (${seedOneTokenUs.toFixed(2)}) ${kind}`,
  );
  return `state of the process: ${seen[0]} ... ${seen.at(-1)}`;
}

function ratioLine(what: string, rows: readonly ResultRow[]): string {
  const cells = baselines.map((name) => {
    const ratios = ratiosTo(rows, name);
    return ratios.length === 0 ? "-" : `${mean(ratios).toFixed(2)} (${Math.min(...ratios).toFixed(2)})`;
  });
  return [what.padEnd(width), ...cells.map((cell) => cell.padStart(16))].join("");
}

/** How many times as long as the fused kernel a contender takes, for each row that has both. */
export function ratiosTo(rows: readonly ResultRow[], name: string): number[] {
  return rows.filter(({ us }) => us[name] !== undefined && us.fused).map(({ us }) => us[name]! / us.fused!);
}

export function mean(ratios: readonly number[]): number {
  return Math.exp(ratios.reduce((sum, ratio) => sum + Math.log(ratio), 0) / ratios.length);
}

function largestRows({ rows, oddRows, copyTBs }: Results): string[] {
  const all = [...rows, ...oddRows].filter(
    (row) => row.gqa === 8 && row.kvHeads === 8 && row.tokens === 8192,
  );
  return all.map((row) => {
    const TBs = rowTBs(row, row.us.fused!);
    const copy = rowTBs(row, row.us.deviceCopy!);
    return (
      `64/8 x 8192, ${nameOf(row)}: ${row.us.fused!.toFixed(1)} us, ${TBs.toFixed(2)} TB/s, ` +
      `${percent(TBs / copy)} of a copy of as many bytes, ${percent(TBs / copyTBs)} of the 4 GiB copy`
    );
  });
}

/** What the norms add to a layer, in microseconds. */
function inSituLines({ inSitu = [] }: Results): string[] {
  return inSitu.map(({ gqa, kvHeads, tokens, us: { none = 0, ...us } }) => {
    const added = Object.entries(us).map(([name, with_]) => `${name} ${(with_ - none).toFixed(2)}`);
    return `in situ, ${gqa * kvHeads}/${kvHeads} x ${tokens}: projection and RoPE ${none.toFixed(2)} us; added by ${added.join(", ")}`;
  });
}

function rowTBs(row: ResultRow, us: number): number {
  return (2 * rowBytes(row.headDim, row)) / us / 1e6;
}

/** One line per goal, with what was reached. */
function goals(results: Results): string[] {
  const of = (headDim: number, dtype: string, cache: string) =>
    results.rows.filter(
      (row) =>
        row.headDim === headDim && row.dtype === dtype && row.layout === "contiguous" && row.cache === cache,
    );
  const lines: string[] = [];
  const judge = (what: string, value: number | undefined, limit: number, atLeast: boolean, digits = 2) => {
    if (value === undefined || !Number.isFinite(value)) return;
    const met = atLeast ? value >= limit : value <= limit;
    lines.push(
      `${met ? "met   " : "MISSED"} ${what}: ${value.toFixed(digits)} (${atLeast ? ">=" : "<="} ${limit})`,
    );
  };
  for (const [cache, limit] of [
    ["warm", 1.7],
    ["cold", 1.45],
  ] as const) {
    const rows = of(128, "bf16", cache);
    if (rows.length === 0) continue;
    const worst = Math.min(...["seedDesign", "mid2026Design"].flatMap((name) => ratiosTo(rows, name)));
    judge(`worst row against either baseline, ${cache}`, worst, 1, true);
    if (rows.length === grid.length) {
      judge(
        `geometric mean over the seed's design, ${cache}`,
        mean(ratiosTo(rows, "seedDesign")),
        limit,
        true,
      );
      for (const [headDim, dtype] of [
        [64, "bf16"],
        [256, "bf16"],
        [128, "f16"],
      ] as const) {
        const others = ratiosTo(of(headDim, dtype, cache), "seedDesign");
        const wanted = mean(ratiosTo(rows, "seedDesign")) - 0.05;
        if (others.length === grid.length) {
          judge(`the same, ${dtype} D ${headDim}`, mean(others), Number(wanted.toFixed(2)), true);
        }
      }
    }
  }
  const warm = of(128, "bf16", "warm");
  const upTo = (most: number) =>
    warm.filter(({ gqa, kvHeads, tokens }) => (gqa + 1) * kvHeads * tokens <= most);
  const slowest = (rows: ResultRow[]) =>
    rows.length === 0 ? undefined : Math.max(...rows.map(({ us }) => us.fused!));
  judge("slowest of up to 40 rows (heads x tokens), us", slowest(upTo(40)), 0.72, false, 3);
  judge("slowest of up to 640 rows, us", slowest(upTo(640)), 0.85, false, 3);
  const top = warm.find(({ gqa, kvHeads, tokens }) => gqa === 8 && kvHeads === 8 && tokens === 8192);
  if (top !== undefined) {
    const share = rowTBs(top, top.us.fused!) / results.copyTBs;
    judge("largest row, share of the 4 GiB copy", share, 0.98, true, 3);
    judge("largest row, share of a copy of as many bytes", top.us.deviceCopy! / top.us.fused!, 0.98, true, 3);
    if (top.us.torchCompile !== undefined) {
      judge("largest row, torch.compile over the kernel", top.us.torchCompile / top.us.fused!, 1, true);
    }
  }
  for (const headDim of oddHeadDims) {
    const row = results.oddRows.find((one) => one.headDim === headDim);
    if (row !== undefined)
      judge(`D ${headDim}, share of a copy`, row.us.deviceCopy! / row.us.fused!, 0.85, true);
  }
  if (results.rows === results.loadedRows) return lines;
  judge("one applyQkNorm call, us on the host", results.hostUs?.applyQkNorm, 2, false);
  judge("JIT cold, ms", results.jitMs?.cold, 300, false, 1);
  judge("JIT from disk, ms", results.jitMs?.disk, 5, false);
  judge("JIT from memory, us", results.jitMs && 1000 * results.jitMs.memory, 1, false);
  return lines;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
