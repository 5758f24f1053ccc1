import { mkdirSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { applyQkNorm, type NormSpec, type QkNormOptions, setQkNormLogger } from "@qknorm/core";
import { type KernelChoice, kernelStatus, normalize, Tensor, useKernels } from "../src/index.ts";

/** The shape that the project's numbers are quoted for: bf16, Qwen3-8B's heads. */
const shape = { queryHeads: 32, kvHeads: 8, headDim: 128 } as const;

/** One way to run the same call. */
interface Way {
  readonly name: string;
  readonly kernels: KernelChoice;
  readonly path: "auto" | "fallback";
}

const ways: readonly Way[] = [
  { name: "fused, native", kernels: "native", path: "auto" },
  { name: "two norms, native", kernels: "native", path: "fallback" },
  { name: "fused, TypeScript", kernels: "typescript", path: "auto" },
  { name: "two norms, TypeScript", kernels: "typescript", path: "fallback" },
];

/** What `applyQkNorm` costs on packed QKV slices, each way, in one run. */
export interface ApplyBench {
  readonly device: string;
  readonly date: string;
  readonly rows: readonly { readonly tokens: number; readonly us: Readonly<Record<string, number>> }[];
  /** Host time of one eager fused call of one token and one head of 8: what the call itself costs. */
  readonly hostUs: number;
}

export function benchApplyQkNorm(): ApplyBench {
  setQkNormLogger(null);
  const rows = [1, 64, 1024, 4096].map((tokens) => ({
    tokens,
    us: Object.fromEntries(ways.map((way) => [way.name, median(way, tokens)])),
  }));
  return {
    device: cpus()[0]?.model ?? "unknown",
    date: new Date().toISOString().slice(0, 10),
    rows,
    hostUs: hostTime(),
  };
}

// Values stay those of a normalised tensor however often a call is repeated: RMS norm of its own output is itself.
function median({ kernels, path }: Way, tokens: number): number {
  const former = useKernels(kernels);
  try {
    const { queryHeads, kvHeads, headDim } = shape;
    const width = (queryHeads + 2 * kvHeads) * headDim;
    const qkv = Tensor.zeros([tokens, width], "bf16");
    for (let i = 0; i < qkv.data.length; i++) qkv.data[i] = 0x3f00 + ((i * 37) & 0x80ff);
    const norm = qkNorm(headDim);
    const split = [queryHeads * headDim, kvHeads * headDim, kvHeads * headDim];
    const options: QkNormOptions = { path };
    const call = (): void => {
      const [q, k] = qkv.split(1, split) as [Tensor, Tensor];
      applyQkNorm(q, k, norm, norm, headDim, options);
    };
    return medianMicroseconds(call);
  } finally {
    useKernels(former);
  }
}

function hostTime(): number {
  const q = Tensor.zeros([1, 8], "bf16");
  const k = Tensor.zeros([1, 8], "bf16");
  const norm = qkNorm(8);
  return (
    medianMicroseconds(() => {
      for (let i = 0; i < 1000; i++) applyQkNorm(q, k, norm, norm, 8);
    }) / 1000
  );
}

function qkNorm(headDim: number): { spec: NormSpec<Tensor>; forward: (x: Tensor) => Tensor } {
  const weight = Tensor.from(new Float64Array(headDim).fill(1), [headDim], "bf16");
  const spec: NormSpec<Tensor> = {
    kind: "rms",
    axis: "head",
    weight,
    eps: 1e-6,
    weightOffset: 0,
    rounding: "hf",
  };
  return { spec, forward: (x) => normalize(x, spec) };
}

// At least 7 runs and a third of a second of them, after a warm-up of a few.
function medianMicroseconds(call: () => void): number {
  for (let i = 0; i < 3; i++) call();
  const times: number[] = [];
  const begun = performance.now();
  while (times.length < 7 || performance.now() - begun < 300) {
    const started = performance.now();
    call();
    times.push((performance.now() - started) * 1000);
  }
  return times.sort((a, b) => a - b)[times.length >> 1] as number;
}

function print(bench: ApplyBench): void {
  process.stdout.write("applyQkNorm on packed QKV, bf16, 32/8 heads of 128, median microseconds\n");
  process.stdout.write(`${"tokens".padStart(7)}${ways.map(({ name }) => name.padStart(24)).join("")}\n`);
  for (const { tokens, us } of bench.rows) {
    const cells = ways.map(({ name }) => (us[name] as number).toFixed(1).padStart(24));
    process.stdout.write(`${String(tokens).padStart(7)}${cells.join("")}\n`);
  }
  process.stdout.write(
    `one call of the smallest size: ${bench.hostUs.toFixed(2)} us; ${kernelStatus().running}\n`,
  );
}

const bench = benchApplyQkNorm();
print(bench);
const folder = join(import.meta.dirname, "results");
mkdirSync(folder, { recursive: true });
writeFileSync(join(folder, "apply-qk-norm.json"), `${JSON.stringify(bench, null, 2)}\n`);
