// npm run endure [minutes [work,work]]: mixed work, over and over in one process, and what it holds meanwhile: resident memory and
// what of it is no file's, the heap, open files, threads, and live bytes on a device, which the stand-in driver of the tests counts.
// Writes results/endurance.json; ends with 1 where any of it grew after the first third of the time, by its slope, or anything
// was left behind.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { Worker } from "node:worker_threads";
import { applyQkNorm, isQkNormError, type NormSpec, setQkNormLogger } from "@qknorm/core";
import { type Device, liveBytes, normalize, openDevice, Tensor, tidy } from "@qknorm/tensor";
import { missing, notes, folder as scratch } from "../../../native/test/cuda-fake.ts";
import {
  ContinuousBatch,
  generateNow,
  type LoadedModel,
  loadModel,
  loadTokenizer,
  openSafetensors,
} from "../src/index.ts";
import { growthOver } from "./trend.ts";

const minutes = Number(process.argv[2] ?? 30);
const checkpoint = join(import.meta.dirname, "../../../checkpoints/qwen3-sums");
const tiny = join(import.meta.dirname, "../golden/tiny-untied");
const addon = join(import.meta.dirname, "../../../native/build/Release/qknorm.node");
const device: Device = "cuda:0";
if (missing !== "") throw new Error(`the mixed work needs the addon and the stand-in driver${missing}`);
process.env.QKNORM_CACHE = join(scratch, "cache");
setQkNormLogger(null);
await openDevice(device);

const counts: Record<string, number> = {};
let model: LoadedModel = loadModel(checkpoint);
const tokenizer = loadTokenizer(checkpoint);

/** QK norm of any size, in any dtype, by both paths, on both devices. */
async function norms(): Promise<void> {
  for (const where of ["cpu", device] as const) {
    for (const path of ["auto", "fallback"] as const) {
      tidy(() => {
        const [tokens, headDim] = [1 + random(40), 64 * (1 + random(2))];
        const dtype = (["bf16", "f32"] as const)[random(2)]!;
        const qkv = Tensor.zeros([tokens, 6 * headDim], dtype, where);
        const [q, k] = qkv.split(1, [4 * headDim, headDim, headDim]) as [Tensor, Tensor];
        const weight = Tensor.zeros([headDim], dtype, where);
        const spec: NormSpec<Tensor> = {
          ...{ kind: "rms", axis: "head", eps: 1e-6, weightOffset: 0, rounding: "once" },
          weight,
        };
        const norm = { spec, forward: (x: Tensor) => normalize(x, spec) };
        for (let again = 0; again < 20; again++) applyQkNorm(q, k, norm, norm, headDim, { path });
      });
    }
  }
}

async function texts(): Promise<void> {
  const prompt = tokenizer.encode(`${random(100)}+${random(100)}=`);
  const ids = [...generateNow(model.model, prompt, { maxTokens: 8 })];
  tokenizer.decode(ids);
}

async function loads(): Promise<void> {
  model = loadModel(checkpoint, { dtype: (["f32", "bf16"] as const)[random(2)]! });
}

/** Texts that come and go on a device, by captured graphs. */
async function batches(): Promise<void> {
  const there = loadModel(tiny, { dtype: "f32", device }).model;
  const batch = new ContinuousBatch(there, { cache: { pages: 24, pageSize: 4 }, maxStepTokens: 64 });
  await Promise.all(
    [5, 3, 7].map(async (length) => {
      const prompt = Array.from({ length }, () => random(there.vocabSize));
      for await (const _ of batch.generate(prompt, { maxTokens: length }))
        counts.tokens = (counts.tokens ?? 0) + 1;
    }),
  );
  batch.dispose();
  there.dispose();
}

/** A worker that loads the addon, calls it, and is ended in the middle. */
async function workers(): Promise<void> {
  const program = `const addon = require(${JSON.stringify(addon)});
    require("node:worker_threads").parentPort.postMessage("ready");
    const [from, to] = [new Uint8Array(1 << 20), new Uint8Array(1 << 20)];
    for (;;) addon.copyBytes(to, from);`;
  const worker = new Worker(program, { eval: true });
  await new Promise((ready, failed) => worker.once("message", ready).once("error", failed));
  await worker.terminate();
}

async function files(): Promise<void> {
  using file = openSafetensors(join(tiny, "model-00001-of-00002.safetensors"));
  for (const name of file.names) file.read(name);
}

/** What is refused leaves nothing behind either. */
async function refusals(): Promise<void> {
  const attempts = [
    () => openSafetensors(join(tiny, "config.json")),
    () => loadModel(scratch),
    () => Tensor.zeros([2, -1], "bf16", device),
    () => tidy(() => normalize(Tensor.zeros([2, 64], "bf16", device), { kind: "none" } as never)),
    () => generateNow(model.model, [-1], { maxTokens: 1 }).next(),
  ];
  for (const attempt of attempts) {
    try {
      attempt();
      throw new Error(`${attempt} was not refused`);
    } catch (error) {
      if (!isQkNormError(error)) throw error;
    }
  }
}

interface Look {
  readonly seconds: number;
  readonly rounds: number;
  readonly rssMb: number;
  /** Of that, what no file is mapped to: what the process has allocated and touched. */
  readonly anonymousMb: number;
  readonly heapMb: number;
  readonly files: number;
  readonly threads: number;
  readonly liveBytes: number;
}

/** The most that may have come in two thirds of the time: pages that V8 or malloc took and gave back no more. */
const most = { rssMb: 1, anonymousMb: 1, heapMb: 0.5, files: 0, threads: 0 } as const;

async function look(started: number, rounds: number): Promise<Look> {
  // Finalisers run when the event loop turns.
  for (let turn = 0; turn < 3; turn++) {
    (globalThis as { gc?: () => void }).gc?.();
    await new Promise(setImmediate);
  }
  const { rss, heapUsed } = process.memoryUsage();
  return {
    seconds: Math.round((performance.now() - started) / 1000),
    rounds,
    rssMb: mega(rss),
    anonymousMb: mega(anonymousBytes()),
    heapMb: mega(heapUsed),
    files: readdirSync("/proc/self/fd").length,
    threads: readdirSync("/proc/self/task").length,
    liveBytes: liveBytes(device),
  };
}

function anonymousBytes(): number {
  const [, kibibytes] =
    /^Anonymous:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/smaps_rollup", "utf8")) ?? [];
  return Number(kibibytes) * 1024;
}

function mega(bytes: number): number {
  return Math.round(bytes / 1e4) / 100;
}

function random(below: number): number {
  return Math.floor(Math.random() * below);
}

const all = { norms, texts, loads, batches, workers, files, refusals };
const names = process.argv[3]?.split(",") ?? Object.keys(all);
const work = names.map((name) => [name, all[name as keyof typeof all]] as const);
const unknown = work.filter(([, run]) => run === undefined).map(([name]) => name);
if (unknown.length > 0 || !(minutes > 0)) {
  throw new Error(
    `endure takes minutes above 0 and some of ${Object.keys(all).join()}, got ${process.argv.slice(2)}`,
  );
}
const started = performance.now();
const looks: Look[] = [];
let nextLook = 0;
let rounds = 0;
while (performance.now() - started < minutes * 60_000) {
  for (const [name, run] of work) {
    await run();
    counts[name] = (counts[name] ?? 0) + 1;
  }
  rounds += 1;
  // What the stand-in notes would fill the disk, and is where it says that dead memory was touched.
  const wrong = notes().filter((note) => /^dead|in a graph|of nothing/.test(note));
  if (wrong.length > 0) throw new Error(wrong.join("; "));
  if (performance.now() - started < nextLook) continue;
  looks.push(await look(started, rounds));
  nextLook += minutes * 1000;
}
looks.push(await look(started, rounds));

const warm = looks.filter(({ seconds }) => seconds >= minutes * 20);
const growth = Object.fromEntries(
  Object.keys(most).map((key) => {
    const points = warm.map((one) => ({ at: one.rounds, value: one[key as keyof typeof most] }));
    return [key, Math.round(growthOver(points) * 1000) / 1000];
  }),
);
const left = looks.at(-1)!.liveBytes;
const summary = {
  minutes,
  node: process.version,
  counts,
  warmRounds: rounds - warm[0]!.rounds,
  growth,
  liveBytes: left,
};
const out = join(import.meta.dirname, "results", "endurance.json");
mkdirSync(dirname(out), { recursive: true });
writeFileSync(out, `${JSON.stringify({ ...summary, looks }, null, 1)}\n`);
process.stdout.write(`${JSON.stringify(summary)}\n`);
const flat = Object.entries(most).every(([key, bound]) => growth[key]! <= bound);
process.exitCode = flat && left === 0 ? 0 : 1;
