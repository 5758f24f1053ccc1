// The benchmark of the chain: one launch that normalises, rotates and stores, beside three designs of serving engines, warm, in
// place, in one process. Writes <device>-chain.json, and prints how the goals stand. With --tune it times launch
// configurations instead and writes the table that follows from them.
import { readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { CudaStream, cudaDevice, examine, Jit, type LaunchConfig } from "../../src/index.ts";
import { folder } from "../folder.ts";
import { nameOf } from "../tests/launch-configs.ts";
import { chainCandidates, type Tuned, tableOf } from "./chain-candidates.ts";
import { checkChain } from "./chain-check.ts";
import { type ChainContender, ChainContenders, type ChainLaunch } from "./chain-contenders.ts";
import { chainName, chainRows } from "./chain-rows.ts";
import { type ChainResults, chainSummary } from "./chain-summary.ts";
import { measureFloors } from "./floors.ts";
import { Timer, warmLaunches } from "./timer.ts";

const { values } = parseArgs({
  options: {
    help: { type: "boolean", short: "h" },
    out: { type: "string", default: "." },
    tune: { type: "boolean" },
    /** Launch configurations, by their names: each is launched on every row of --rows, for a profiler to look at. */
    profile: { type: "string" },
    rows: { type: "string", default: "16/8 x 1,16/8 x 8192,64/8 x 8192" },
    /** Nothing new begins after so many. */
    seconds: { type: "string", default: "55" },
  },
});
if (values.help) {
  process.stdout.write(
    "bench-chain [--out FOLDER] [--seconds N] [--tune] [--profile CONFIG,... --rows ROW,...]\n",
  );
  process.exit(0);
}
const cuda = examine().providers.find(({ name }) => name === "cuda");
if (!cuda?.ready) {
  process.stdout.write(`NO GPU: ${cuda?.because}; there is nothing to measure\n`);
  process.exit(1);
}

const began = Date.now();
const stream = new CudaStream(0);
const jit = new Jit({ folder: null, seeds: [] });
const device = cudaDevice(0);
const contenders = new ChainContenders(stream, jit, { queryHeads: 64, kvHeads: 8, tokens: 8192 });
const timer = new Timer(stream, jit);
const slug = (/[A-Z]+\d+\w*/.exec(device.name)?.[0] ?? device.name.replace(/\W+/g, "-")).toLowerCase();
const names: readonly ChainContender[] = [
  ...(["chain", "chainE4m3", "normRope", "normThenRopeStore", "normRopeThenCopies", "normAlone"] as const),
  "deviceCopy",
];

await contenders.warmUp();
checkChain(contenders, stream);
say(`${device.name}: the numbers of all designs are right`);
if (values.profile !== undefined) await profile(values.profile.split(","), values.rows.split(","));
else if (values.tune) await tune();
else measure();

function measure(): void {
  const results: ChainResults = {
    device: device.name,
    date: new Date().toISOString().slice(0, 10),
    commit: readFileSync(`${folder}commit`, "utf8").trim(),
    ...measureFloors(timer, stream, jit),
    rows: [],
  };
  const file = resolve(values.out, `${slug}-chain.json`);
  for (const row of chainRows) {
    if (late()) break;
    const us = time(names.map((name) => ({ name, launch: contenders.prepare(name, row) })));
    results.rows.push({ ...row, us });
    const rows = results.rows.map((one) => `    ${JSON.stringify(one)}`).join(",\n");
    const { rows: _, ...head } = results;
    writeFileSync(file, `${JSON.stringify(head, null, 2).slice(0, -2)},\n  "rows": [\n${rows}\n  ]\n}\n`);
  }
  process.stdout.write(`\n${chainSummary(results)}`);
}

async function tune(): Promise<void> {
  const configs = new Map<string, LaunchConfig>();
  for (const row of chainRows) for (const config of chainCandidates(row)) configs.set(nameOf(config), config);
  await contenders.warmUp([...configs.values()]);
  say(`${configs.size} configurations compiled`);
  const tuned: Tuned[] = [];
  for (const row of chainRows) {
    if (late()) break;
    const us = time(
      chainCandidates(row).map((config) => ({
        name: nameOf(config),
        launch: contenders.chain(row, "bf16", config),
      })),
    );
    const best = Object.entries(us).sort(([, a], [, b]) => a - b);
    say(
      `${chainName(row)}: ${best
        .slice(0, 6)
        .map(([name, t]) => `${name} ${t.toFixed(3)}`)
        .join(", ")}`,
    );
    tuned.push({ row, us });
  }
  const ranges = tableOf(tuned, configs);
  const file = resolve(values.out, `${slug}-chain-tuning.json`);
  writeFileSync(file, `${JSON.stringify({ device: device.name, ranges, tuned })}\n`);
  process.stdout.write(`${JSON.stringify({ device: device.name, ranges }, null, 2)}\n`);
}

async function profile(wanted: readonly string[], on: readonly string[]): Promise<void> {
  const tried = chainRows.flatMap(chainCandidates);
  const configs = wanted.map((name) => {
    const found = tried.find((config) => nameOf(config) === name);
    if (found === undefined) throw new Error(`${name} is none of the configurations that are tried`);
    return found;
  });
  await contenders.warmUp(configs);
  for (const row of chainRows.filter((one) => on.includes(chainName(one)))) {
    for (const config of configs) {
      contenders.chain(row, "bf16", config)();
      stream.synchronize();
      say(`${chainName(row)}: ${nameOf(config)}`);
    }
  }
}

function time(
  all: readonly { readonly name: string; readonly launch: ChainLaunch }[],
): Record<string, number> {
  return timer.measure(
    all.map(({ name, launch }) => {
      launch(); // loads its kernel, which a capture cannot
      const queue = () => {
        for (let i = 0; i < warmLaunches; i++) launch();
      };
      return { name, launches: warmLaunches, queue };
    }),
  );
}

function late(): boolean {
  return Date.now() - began > 1000 * Number(values.seconds);
}

function say(line: string): void {
  process.stdout.write(`[${((Date.now() - began) / 1000).toFixed(0).padStart(4)} s] ${line}\n`);
}
