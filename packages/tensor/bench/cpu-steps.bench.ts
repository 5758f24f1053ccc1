// Steps of a layer on the CPU by processor time of one thread, two ways in turns: the chain of q and k beside its ops one
// after the other, and recurrences and cache writes beside TypeScript. Run it with `npm run bench`.
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { applyQkNorm, applyQkNormRope, type NormSpec, setQkNormLogger } from "@qknorm/core";
import {
  type CacheDtype,
  causalConv,
  gatedDeltaRule,
  Indices,
  type KernelChoice,
  kernelStatus,
  normalize,
  rope,
  Tensor,
  tidy,
  useKernels,
  writeCache,
} from "../src/index.ts";

/** Two ways to do a step, of each the fastest of some turns: what other programs leave of the caches changes the others. */
interface Row {
  readonly step: string;
  readonly tokens: number;
  /** Microseconds of processor time. */
  readonly us: Readonly<Record<string, number>>;
  /** How many times as fast the first way is. */
  readonly times: number;
}

export interface CpuStepsBench {
  readonly device: string;
  readonly kernels: string;
  readonly date: string;
  readonly rows: readonly Row[];
}

type Way = () => unknown;

// Before the addon reads it: waiting for another thread would count as work.
process.env.QKNORM_THREADS = "1";

const turns = 15;
const warmUps = 3;
const turnUs = 12_000;
const tokenCounts = [1, 8, 64, 512];
const heads = { q: 16, kv: 8, dim: 128 } as const;

export function benchCpuSteps(): CpuStepsBench {
  setQkNormLogger(null);
  chainRow("until V8 has compiled what is timed", 1, "bf16");
  const rows = [
    ...tokenCounts.map((tokens) => chainRow("chain, cache of bf16", tokens, "bf16")),
    ...tokenCounts.map((tokens) => chainRow("chain, cache of e4m3", tokens, "e4m3")),
    ...[1, 16].flatMap((tokens) => [
      beside("write of k and v", tokens, writeOf(tokens)),
      beside("causal convolution", tokens, convolutionOf(tokens)),
      beside("gated delta rule", tokens, deltaOf(tokens)),
    ]),
  ];
  return {
    device: cpus()[0]?.model ?? "unknown",
    kernels: kernelStatus().running,
    date: new Date().toISOString().slice(0, 10),
    rows,
  };
}

function chainRow(step: string, tokens: number, cacheDtype: CacheDtype): Row {
  const { q: hq, kv, dim } = heads;
  const qkv = random([tokens, (hq + 2 * kv) * dim], "bf16");
  const [q, k, v] = qkv.split(1, [hq * dim, kv * dim, kv * dim]) as [Tensor, Tensor, Tensor];
  const memory = () => Tensor.zeros([tokens, kv, dim], cacheDtype);
  const [kCache, vCache] = [memory(), memory()];
  const scale = () => Tensor.zeros([tokens, kv]);
  const scales = cacheDtype === "e4m3" ? ({ k: scale(), v: scale(), mode: "computed" } as const) : null;
  const [positions, slots] = [Indices.range(0, tokens), Indices.range(0, tokens)];
  const table = (f: (x: number) => number): Tensor =>
    Tensor.from(
      Float32Array.from({ length: (tokens * dim) / 2 }, (_, i) => f(i * 0.01)),
      [tokens, dim / 2],
    );
  const turn = { cos: table(Math.cos), sin: table(Math.sin), rounding: "hf" } as const;
  const norm = qkNorm(dim);
  const options = {
    ...{ headDim: dim, rope: turn, positions, v },
    cache: {
      ...{ k: kCache, v: vCache, slots },
      ...(scales && { kScale: scales.k, vScale: scales.v, scales: scales.mode }),
    },
  };
  const byHead = (x: Tensor, count: number): Tensor => x.view([tokens, count, dim]);
  return inTurns(step, tokens, {
    "one call": () => applyQkNormRope(q, k, norm, norm, options),
    "ops in turn": () => {
      applyQkNorm(q, k, norm, norm, dim);
      rope(byHead(q, hq), turn, positions, "hf");
      rope(byHead(k, kv), turn, positions, "hf");
      writeCache(byHead(k, kv), byHead(v, kv), kCache, vCache, slots, scales);
    },
  });
}

function writeOf(tokens: number): Way {
  const { kv, dim } = heads;
  const [k, v] = [random([tokens, kv, dim], "bf16"), random([tokens, kv, dim], "bf16")];
  const [kCache, vCache] = [0, 1].map(() => Tensor.zeros([tokens, kv, dim], "bf16")) as [Tensor, Tensor];
  const slots = Indices.range(0, tokens);
  return () => writeCache(k, v, kCache, vCache, slots);
}

/** Of Qwen3-Next: 8,192 channels and 4 taps. */
function convolutionOf(tokens: number): Way {
  const [channels, taps] = [8192, 4];
  const [x, weight] = [random([tokens, channels], "bf16"), random([channels, taps], "bf16")];
  const state = Tensor.zeros([taps - 1, channels], "bf16");
  return () => causalConv(x, weight, null, state);
}

/** Of Qwen3-Next: 16 heads of keys and 32 of values, of 128. */
function deltaOf(tokens: number): Way {
  const [keyHeads, count, dim] = [16, 32, 128];
  const spec: NormSpec<Tensor> = {
    ...{ kind: "l2", axis: "head", weight: null, eps: 1e-6, weightOffset: 0, rounding: "once" },
  };
  const [q, k] = [0, 1].map(() => normalize(random([tokens, keyHeads, dim], "f32"), spec)) as [
    Tensor,
    Tensor,
  ];
  const v = random([tokens, count, dim], "bf16");
  const gates = {
    ...{ a: random([tokens, count], "bf16"), b: random([tokens, count], "bf16") },
    ...{ aLog: random([count], "bf16"), dtBias: random([count], "bf16") },
  };
  const state = Tensor.zeros([count, dim, dim]);
  return () => gatedDeltaRule(q, k, v, gates, state, { scale: dim ** -0.5, rounding: "hf" });
}

/** The native kernel beside TypeScript. */
function beside(step: string, tokens: number, run: Way): Row {
  const by = (kernels: KernelChoice): Way => {
    return () => {
      const former = useKernels(kernels);
      run();
      useKernels(former);
    };
  };
  return inTurns(step, tokens, { native: by("native"), TypeScript: by("typescript") });
}

function inTurns(step: string, tokens: number, ways: Readonly<Record<string, Way>>): Row {
  const names = Object.keys(ways);
  const counts = names.map((name) => callsOfATurn(ways[name] as Way));
  const fastest = names.map(() => Number.POSITIVE_INFINITY);
  for (let turn = -warmUps; turn < turns; turn++) {
    for (const [i, name] of names.entries()) {
      const us = processorTime(ways[name] as Way, counts[i] as number);
      if (turn >= 0) fastest[i] = Math.min(us, fastest[i] as number);
    }
  }
  const [first, second] = fastest as [number, number];
  const us = Object.fromEntries(names.map((name, i) => [name, round(fastest[i] as number)]));
  return { step, tokens, us, times: round(second / first) };
}

function callsOfATurn(way: Way): number {
  for (let calls = 1; ; calls *= 2) {
    const us = processorTime(way, calls) * calls;
    if (us >= turnUs / 2) return Math.max(1, Math.round((calls * turnUs) / us));
  }
}

/** Microseconds of a call. */
function processorTime(way: Way, calls: number): number {
  const before = process.cpuUsage();
  tidy(() => {
    for (let i = 0; i < calls; i++) way();
  });
  const { user, system } = process.cpuUsage(before);
  return (user + system) / calls;
}

function qkNorm(headDim: number): { spec: NormSpec<Tensor>; forward: (x: Tensor) => Tensor } {
  const weight = Tensor.from(new Float64Array(headDim).fill(1), [headDim], "bf16");
  const spec: NormSpec<Tensor> = {
    ...{ kind: "rms", axis: "head", weight, eps: 1e-6, weightOffset: 0, rounding: "hf" },
  };
  return { spec, forward: (x) => normalize(x, spec) };
}

function random(shape: readonly number[], dtype: "bf16" | "f32"): Tensor {
  const size = shape.reduce((product, dim) => product * dim, 1);
  return Tensor.from(
    Float32Array.from({ length: size }, (_, i) => Math.sin(i * 12.9898) * 2),
    shape,
    dtype,
  );
}

function round(value: number): number {
  return Number(value.toPrecision(3));
}

const bench = benchCpuSteps();
for (const { step, tokens, us, times } of bench.rows) {
  const ways = Object.entries(us).map(([way, value]) => `${way} ${value} us`);
  process.stdout.write(`${step}, ${tokens} tokens: ${ways.join(", ")}; ${times} times\n`);
}
const folder = join(import.meta.dirname, "results");
mkdirSync(folder, { recursive: true });
writeFileSync(join(folder, "cpu-steps.json"), `${JSON.stringify(bench, null, 2)}\n`);
