// The GPU benchmark: the fused kernel, the two baseline designs, the two norms and a device copy, on the rows of the
// seed's table, in one process. Writes <device>.json as it goes, and prints how the goals stand.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { CudaStream, cudaDevice, examine, Jit } from "../../src/index.ts";
import { folder } from "../folder.ts";
import { Buffers, coldSets } from "./buffers.ts";
import { checkNumbers } from "./check.ts";
import { Contenders } from "./contenders.ts";
import { measureFloors } from "./floors.ts";
import { measureHost } from "./host-times.ts";
import { measureInSitu } from "./in-situ.ts";
import { measureJit } from "./jit-times.ts";
import { ProcessState } from "./process-state.ts";
import { type ResultRow, type Results, writeResults } from "./results.ts";
import { filterOf, type GridRow, grid, kinds, largest, nameOf, oddHeadDims, type RowKind } from "./rows.ts";
import { summarize } from "./summary.ts";
import { Timer, warmLaunches } from "./timer.ts";
import { measureTorch } from "./torch.ts";

const { values } = parseArgs({
  options: {
    help: { type: "boolean", short: "h" },
    out: { type: "string", default: "." },
    only: { type: "string", default: "" },
    seconds: { type: "string", default: "480" },
    "torch-seconds": { type: "string", default: "100" },
  },
});
if (values.help) {
  process.stdout.write(
    `bench [--out FOLDER] [--only headDim=128,dtype=bf16,layout=packed,cache=warm,tokens=1|8192] [--seconds N] [--torch-seconds N]\n`,
  );
  process.exit(0);
}

const cuda = examine().providers.find(({ name }) => name === "cuda");
if (!cuda?.ready) {
  process.stdout.write(`NO GPU: ${cuda?.because}; there is nothing to measure\n`);
  process.exit(1);
}

const seedOneToken: RowKind & GridRow = {
  ...{ headDim: 128, dtype: "bf16", layout: "contiguous", cache: "warm" },
  ...{ gqa: 8, kvHeads: 1, tokens: 1 },
};
const began = Date.now();
const wanted = filterOf(values.only);
const stream = new CudaStream(0);
const jit = new Jit({ folder: null, seeds: [] });
const device = cudaDevice(0);
const widest = Math.max(...kinds.filter((kind) => wanted(kind)).map(({ headDim }) => headDim), 128);
const buffers = new Buffers(stream, jit, Buffers.bytesFor(widest, largest, coldSets));
const contenders = new Contenders(stream, buffers, jit);
const timer = new Timer(stream, jit);
buffers.fill("bf16");
buffers.keepSize("bf16");

const seedUs = () => time(seedOneToken, seedOneToken, ["seedDesign"]).seedDesign as number;
const state = new ProcessState(stream, jit, seedUs);

const results: Results = {
  device: device.name,
  date: new Date().toISOString().slice(0, 10),
  commit: readFileSync(`${folder}commit`, "utf8").trim(),
  ...measureFloors(timer, stream, jit),
  states: [],
  rows: [],
  loadedRows: [],
  oddRows: [],
};
const file = resolve(values.out, `${slug(device.name)}.json`);
say(
  `${device.name}: copy ${results.copyTBs} TB/s, empty launch ${results.emptyUs} us; results go to ${file}`,
);

const checked = new Set<string>();
const chosen = kinds.filter((kind) => wanted(kind));
const first = chosen.filter(({ headDim, dtype }) => headDim === 128 && dtype === "bf16");
for (const kind of first) await measure(kind, results.rows);
await attempt("torch", () => {
  results.torch = measureTorch(results.rows, Number(values["torch-seconds"]), values.out);
});
await attempt("in situ", () => {
  results.inSitu = measureInSitu(Number(values["torch-seconds"]), values.out);
});
await attempt("JIT", () => {
  results.jitMs = measureJit(device);
});
await attempt("one call from TypeScript", () => {
  results.hostUs = measureHost();
});
for (const kind of chosen.filter((one) => !first.includes(one))) await measure(kind, results.rows);
for (const headDim of oddHeadDims) {
  const kind: RowKind = { headDim, dtype: "bf16", layout: "contiguous", cache: "warm" };
  if (!wanted(kind, largest) || late()) continue;
  await attempt(nameOf(kind), async () => {
    await prepare(kind);
    results.oddRows.push({ ...kind, ...largest, us: time(kind, largest) });
  });
}
await attempt("loading the process", () => {
  buffers.fill("bf16");
  results.states.push(state.load());
});
if (results.states.at(-1)?.state === "loaded") {
  for (const kind of first.filter(({ layout }) => layout === "contiguous"))
    await measure(kind, results.loadedRows);
}
process.stdout.write(`\n${summarize(results)}`);

async function measure(kind: RowKind, into: ResultRow[]): Promise<void> {
  if (late()) {
    say(`out of time: ${nameOf(kind)} is left out`);
    return;
  }
  await attempt(nameOf(kind), async () => {
    await prepare(kind);
    results.states.push(state.note(nameOf(kind)));
    for (const row of grid.filter((one) => wanted(kind, one))) {
      into.push({ ...kind, ...row, us: time(kind, row) });
    }
  });
}

/** Numbers first: nothing is timed that is not right. */
async function prepare(kind: RowKind): Promise<void> {
  const { headDim, dtype, layout } = kind;
  const key = `${headDim} ${dtype} ${layout}`;
  await contenders.warmUp(headDim, dtype);
  buffers.fill(dtype);
  buffers.keepSize(dtype);
  if (checked.has(key)) return;
  checkNumbers(contenders, buffers, stream, kind);
  checked.add(key);
}

function time(
  kind: RowKind,
  row: GridRow,
  names = contenders.namesFor(kind.headDim),
): Record<string, number> {
  const launches = kind.cache === "warm" ? warmLaunches : coldSets;
  return timer.measure(
    names.map((name) => {
      const launch = contenders.prepare(name, kind, row);
      launch(0); // loads its kernel, which a capture cannot
      const queue = () => {
        for (let i = 0; i < launches; i++) launch(kind.cache === "warm" ? 0 : i);
      };
      return { name, launches, queue };
    }),
  );
}

async function attempt(what: string, run: () => void | Promise<void>): Promise<void> {
  const start = Date.now();
  try {
    await run();
    const { state: now, seedOneTokenUs } = results.states.at(-1) ?? {};
    say(`${what} done in ${((Date.now() - start) / 1000).toFixed(1)} s; ${now}, seed ${seedOneTokenUs} us`);
  } catch (error) {
    process.exitCode = 1;
    say(`${what} FAILED: ${(error as Error).stack}`);
  }
  writeResults(file, results);
}

function late(): boolean {
  return Date.now() - began > 1000 * Number(values.seconds);
}

function say(line: string): void {
  process.stdout.write(`[${((Date.now() - began) / 1000).toFixed(0).padStart(4)} s] ${line}\n`);
}

/** `h200` of "NVIDIA H200". */
function slug(name: string): string {
  return (/[A-Z]+\d+\w*/.exec(name)?.[0] ?? name.replace(/\W+/g, "-")).toLowerCase();
}
