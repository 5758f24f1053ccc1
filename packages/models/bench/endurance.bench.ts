// npm run endure [minutes]: mixed work, over and over in one process, and what it holds meanwhile: resident memory, the heap, open
// files, threads, and live bytes on a device, which the stand-in driver of the tests counts. Writes results/endurance.json; ends with
// 1 where memory grew between the second and the last quarter by more than a twentieth, or anything was left behind.
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
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
  readonly rssMb: number;
  readonly heapMb: number;
  readonly files: number;
  readonly threads: number;
  readonly liveBytes: number;
}

async function look(started: number): Promise<Look> {
  // Finalisers run when the event loop turns.
  for (let turn = 0; turn < 3; turn++) {
    (globalThis as { gc?: () => void }).gc?.();
    await new Promise(setImmediate);
  }
  const { rss, heapUsed } = process.memoryUsage();
  return {
    seconds: Math.round((performance.now() - started) / 1000),
    rssMb: mega(rss),
    heapMb: mega(heapUsed),
    files: readdirSync("/proc/self/fd").length,
    threads: readdirSync("/proc/self/task").length,
    liveBytes: liveBytes(device),
  };
}

function mega(bytes: number): number {
  return Math.round(bytes / 1e5) / 10;
}

function random(below: number): number {
  return Math.floor(Math.random() * below);
}

const work = { norms, texts, loads, batches, workers, files, refusals };
const started = performance.now();
const looks: Look[] = [];
let nextLook = 0;
while (performance.now() - started < minutes * 60_000) {
  for (const [name, run] of Object.entries(work)) {
    await run();
    counts[name] = (counts[name] ?? 0) + 1;
  }
  // What the stand-in notes would fill the disk, and is where it says that dead memory was touched.
  const wrong = notes().filter((note) => /^dead|in a graph|of nothing/.test(note));
  if (wrong.length > 0) throw new Error(wrong.join("; "));
  if (performance.now() - started < nextLook) continue;
  looks.push(await look(started));
  nextLook += minutes * 1000;
}
looks.push(await look(started));

const quarter = Math.floor(looks.length / 4);
const median = (part: readonly Look[], key: keyof Look): number =>
  part.map((one) => one[key]).sort((a, b) => a - b)[Math.floor(part.length / 2)]!;
const [second, last] = [looks.slice(quarter, 2 * quarter), looks.slice(-quarter)];
const growth = Object.fromEntries(
  (["rssMb", "heapMb", "files", "threads"] as const).map((key) => [
    key,
    [median(second, key), median(last, key)],
  ]),
);
const left = looks.at(-1)!.liveBytes;
const result = { minutes, node: process.version, counts, growth, liveBytes: left, looks };
const out = join(import.meta.dirname, "results", "endurance.json");
mkdirSync(dirname(out), { recursive: true });
writeFileSync(out, `${JSON.stringify(result, null, 1)}\n`);
process.stdout.write(`${JSON.stringify({ minutes, counts, growth, liveBytes: left })}\n`);
const flat = Object.values(growth).every(([before, after]) => after! <= before! * 1.05 + 1);
process.exitCode = flat && left === 0 ? 0 : 1;
