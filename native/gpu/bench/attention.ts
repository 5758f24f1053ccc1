// Attention at the sizes of published models, in a graph: decode over contexts of many lengths and prefill, beside
// PyTorch's scaled_dot_product_attention where python3 has it. Prints microseconds, and bytes or operations a second.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { cudaDevice, examine } from "../../src/index.ts";
import { AttentionBench, type AttentionSize, cacheBytes, operations } from "./attention-bench.ts";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "50" },
    heads: { type: "string", default: "16/8,32/8,64/8" },
    contexts: { type: "string", default: "128,256,1024,4096,32768" },
    batches: { type: "string", default: "1,64" },
    prefill: { type: "string", default: "4096,8192" },
    tunings: { type: "string", default: "{}" },
    torch: { type: "boolean", default: true },
  },
  allowNegative: true,
});

const cuda = examine().providers.find(({ name }) => name === "cuda");
if (!cuda?.ready) {
  process.stdout.write(`NO GPU: ${cuda?.because}; there is nothing to measure\n`);
  process.exit(1);
}
const began = Date.now();
const left = () => Number(values.seconds) - (Date.now() - began) / 1000;
const print = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

/** Of decode, besides the default: `{"c16": {"mostCluster": 16}}`. */
const tunings = JSON.parse(values.tunings);
const sizes = sizesOf();
print(`# ${cudaDevice(0).name}`);
measureOurs();
if (values.torch && left() > 8) {
  for (const line of torchLines(left() - 3)) print(line);
}

function sizesOf(): AttentionSize[] {
  const numbers = (list: string) => list.split(",").filter(Boolean).map(Number);
  const heads = values.heads.split(",").map((pair) => pair.split("/").map(Number) as [number, number]);
  const each = (batch: number, queries: number, keys: number) =>
    heads.map(([queryHeads, kvHeads]) => ({ queryHeads, kvHeads, batch, queries, keys }));
  const decode = numbers(values.batches).flatMap((batch) =>
    numbers(values.contexts).flatMap((keys) => each(batch, 1, keys)),
  );
  const prefill = numbers(values.prefill).flatMap((tokens) => each(1, tokens, tokens));
  return [...decode, ...prefill].filter((size) => cacheBytes(size) <= 10e9);
}

function measureOurs(): void {
  const bench = new AttentionBench(Math.max(...sizes.map(cacheBytes)) + 2 ** 20);
  for (const size of sizes) {
    if (left() < 5) {
      print("# out of time");
      return;
    }
    try {
      for (const [name, us] of Object.entries(bench.measure(size, tunings))) print(lineOf(size, name, us));
    } catch (error) {
      print(`# ${(error as Error).message}`);
    }
  }
}

function lineOf(size: AttentionSize, name: string, us: number): string {
  const { queryHeads, kvHeads, batch, queries, keys } = size;
  const rate =
    queries === 1
      ? `${(cacheBytes(size) / us / 1e6).toFixed(2)} TB/s`
      : `${(operations(size) / us / 1e6).toFixed(0)} TFLOP/s`;
  const what = `${queryHeads}/${kvHeads} batch ${batch} queries ${queries} keys ${keys}`;
  return `${what.padEnd(44)} ${name.padEnd(12)} ${us.toFixed(2).padStart(9)} us ${rate}`;
}

/** The same calls in a PyTorch process. */
function torchLines(seconds: number): string[] {
  const script = fileURLToPath(new URL("./attention_torch.py", import.meta.url));
  const { stdout, stderr, status } = spawnSync("python3", [script], {
    ...{
      input: JSON.stringify({ sizes, seconds }),
      encoding: "utf8",
      timeout: Math.round(1000 * (seconds + 30)),
    },
  });
  const lines = (stdout ?? "").split("\n").filter((line) => line.startsWith("{"));
  return [
    ...lines.map((line) => {
      const { us, ...size } = JSON.parse(line) as AttentionSize & { us: number };
      return lineOf(size, "PyTorch", us);
    }),
    ...(status === 0 ? [] : [`# PyTorch: ${(stderr ?? "").trim().split("\n").at(-1)}`]),
  ];
}
