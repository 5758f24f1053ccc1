// Times the candidates for each amount of work of the seed's grid, in the process that the benchmark runs in: what
// tuning/derive_table.py makes the launch table of. Writes one JSON per head dim, in the shape of tuning/measure.py's.
import { writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { CudaStream, cudaDevice, Jit } from "../../src/index.ts";
import { nameOf } from "../tests/launch-configs.ts";
import { Buffers, coldSets } from "./buffers.ts";
import { candidatesFor } from "./candidates.ts";
import { Contenders } from "./contenders.ts";
import { measureFloors } from "./floors.ts";
import { type GridRow, grid, largest, type RowKind } from "./rows.ts";
import { Timer, warmLaunches } from "./timer.ts";

const { values } = parseArgs({
  options: {
    out: { type: "string", default: "." },
    "head-dims": { type: "string", default: "128" },
    passes: { type: "string", default: "1" },
    /** Nothing new begins after so many. */
    seconds: { type: "string", default: "300" },
  },
});
const began = Date.now();
const stream = new CudaStream(0);
const device = cudaDevice(0);
const jit = new Jit({ folder: null, seeds: [] });
const headDims = values["head-dims"].split(",").map(Number);
if (!headDims.every((headDim) => [64, 128, 256].includes(headDim))) {
  throw new Error(`--head-dims takes 64, 128 and 256, which the baselines have, got ${values["head-dims"]}`);
}
const buffers = new Buffers(stream, jit, Buffers.bytesFor(Math.max(...headDims), largest, coldSets));
const contenders = new Contenders(stream, buffers, jit);
const timer = new Timer(stream, jit);
buffers.fill("bf16");
buffers.keepSize("bf16");
const floors = measureFloors(timer, stream, jit);

// Rows of as much work time alike, whatever their heads: the one with the most heads stands for all.
const rows = [...new Map(grid.map((row) => [headsOf(row) * row.tokens, row])).values()];

for (const headDim of headDims) {
  const us: Record<string, Record<string, number[]>> = {};
  let passes = 0;
  while (passes < Number(values.passes) && !late()) {
    for (const cache of ["warm", "cold"] as const) {
      const kind: RowKind = { headDim, dtype: "bf16", layout: "contiguous", cache };
      for (const row of rows) {
        if (late()) break;
        for (const [name, time] of Object.entries(await measure(kind, row))) {
          us[name] ??= {};
          const key = [row.gqa, row.kvHeads, row.tokens, cache[0]].join("/");
          us[name][key] = [...(us[name][key] ?? []), time];
        }
      }
      say(`head dim ${headDim}, pass ${passes + 1}, ${cache} done`);
    }
    passes += 1;
    write(headDim, passes, us);
  }
}

async function measure(kind: RowKind, row: GridRow): Promise<Record<string, number>> {
  const { multiprocessors } = device;
  const configs = candidatesFor({ ...row, headDim: kind.headDim, heads: headsOf(row), multiprocessors });
  await contenders.warmUp(kind.headDim, kind.dtype, configs);
  const warm = kind.cache === "warm";
  const launches = warm ? warmLaunches : coldSets;
  const all = [
    ...(["seedDesign", "mid2026Design"] as const).map((name) => ({
      name: { seedDesign: "seed", mid2026Design: "mid2026" }[name],
      launch: contenders.prepare(name, kind, row),
    })),
    ...configs.map((config) => ({
      name: nameOf(config),
      launch: contenders.prepareConfig(config, kind, row),
    })),
  ];
  return timer.measure(
    all.map(({ name, launch }) => {
      launch(0); // loads its kernel, which a capture cannot
      const queue = () => {
        for (let i = 0; i < launches; i++) launch(warm ? 0 : i);
      };
      return { name, launches, queue };
    }),
  );
}

function write(headDim: number, passes: number, us: Record<string, Record<string, number[]>>): void {
  const result = {
    device: device.name,
    date: new Date().toISOString().slice(0, 10),
    headDim,
    ...{ dtype: "bf16", layout: "contiguous", unit: "us per launch" },
    floors: { empty: floors.emptyUs, wait: floors.waitUs, copy_4GiB_TBs: floors.copyTBs },
    rows: rows.map(({ gqa, kvHeads, tokens }) => [gqa, kvHeads, tokens]),
    us,
    passes,
  };
  writeFileSync(resolve(values.out, `node-dim${headDim}.json`), JSON.stringify(result));
}

function headsOf({ gqa, kvHeads }: GridRow): number {
  return (gqa + 1) * kvHeads;
}

function late(): boolean {
  return Date.now() - began > 1000 * Number(values.seconds);
}

function say(line: string): void {
  process.stdout.write(`[${((Date.now() - began) / 1000).toFixed(0).padStart(4)} s] ${line}\n`);
}
