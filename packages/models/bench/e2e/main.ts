// The end-to-end benchmark: models of published shapes with random weights, made on the device; decoding, prefill, and
// where the time goes, with transformers beside it. Writes <device>-e2e.json as it goes. Each part is a process of its
// own with a time limit: one that fails or hangs costs its own numbers alone.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { folder } from "../../../../native/gpu/folder.ts";
import { addFound, type EndToEndResults, type Found, writeResults } from "./results.ts";
import { hasExperts, type ModelName, shapes } from "./shapes.ts";
import { summarize } from "./summary.ts";

const { values } = parseArgs({
  options: {
    help: { type: "boolean", short: "h" },
    out: { type: "string", default: "." },
    device: { type: "string", default: "cuda:0" },
    dtype: { type: "string", default: "bf16" },
    // As SDPA, which is beside it: scores and probabilities are not rounded. "hf" rounds them as eager attention does.
    rounding: { type: "string", default: "once" },
    models: { type: "string", default: "qwen3-0.6b,qwen3-8b,qwen3-30b-a3b" },
    only: { type: "string", default: "" },
    seconds: { type: "string", default: "300" },
  },
});
if (values.help) {
  process.stdout.write(
    "bench-e2e [--out FOLDER] [--models qwen3-0.6b,qwen3-8b,qwen3-30b-a3b] [--rounding once|hf] [--only machine,step,steps,host,decode,rounded,decode64,sampled,prefill,costs,costs64,logits,torch] [--seconds N]\n",
  );
  process.exit(0);
}

interface Part {
  readonly name: string;
  /** Seconds that it may take. */
  readonly limit: number;
  readonly command: readonly string[];
  readonly input?: string;
}

const began = performance.now();
const results: EndToEndResults = {
  device: values.device,
  date: new Date().toISOString().slice(0, 10),
  commit: commit(),
  versions: {},
  rounding: values.rounding as EndToEndResults["rounding"],
  copyTBs: 0,
  ...{
    decode: [],
    sampled: [],
    rounded: [],
    prefill: [],
    costs: [],
    host: [],
    torch: [],
    logits: [],
    firstToken: [],
  },
  failed: [],
};
const out = resolve(values.out);
for (const part of parts(values.models.split(",") as ModelName[])) run(part);
process.stdout.write(`\n${summarize(results)}`);

function parts(all: readonly ModelName[]): Part[] {
  // Of those with experts, three of whose weights no device holds, one text is measured alone, and nothing beside it.
  const [models, sparse] = [all.filter((model) => !hasExperts(model)), all.filter(hasExperts)];
  const wanted = new Set(values.only === "" ? [] : values.only.split(","));
  // What is quick and asked for most comes first: time may end before all of it is done.
  const [first = "qwen3-0.6b"] = models;
  const measured = models.flatMap((model) => [
    ...["step", "host", "decode", "rounded", "prefill"].map((part) => ours(part, model, 35)),
    ...(model === first
      ? ["steps", "decode64", "sampled", "costs", "costs64"].map((part) => ours(part, model, 25))
      : []),
  ]);
  const python = (script: string, limit: number, ...args: readonly string[]): Part => ({
    name: script,
    limit,
    command: ["python3", join(folder, `native/gpu/bench/e2e_${script}.py`), String(limit), ...args],
    input: JSON.stringify(Object.fromEntries(models.map((model) => [model, shapes[model]]))),
  });
  const parts = [
    ours("machine", "tiny", 20),
    ...measured,
    ...(models.length > 0
      ? [python("logits", 50, ...program("logits"), "--device", values.device), python("torch", 300)]
      : []),
    ...models.slice(1).map((model) => ours("costs", model, 25)),
    ...sparse.map((model) => ours("rounded", model, 50)),
  ];
  return parts.filter(({ name }) => wanted.size === 0 || wanted.has(name.split(" ")[0] as string));
}

function ours(part: string, model: ModelName, limit: number): Part {
  const { device, dtype, rounding } = values;
  const options = [
    ...["--device", device, "--dtype", dtype, "--rounding", rounding],
    ...["--seconds", String(limit / 2)],
  ];
  return { name: `${part} ${model}`, limit, command: [...program("part"), part, model, ...options] };
}

/** How a program beside this one is started: from source where this is source, from the bundle where this is bundled. */
function program(name: string): string[] {
  const file = (process.argv[1] as string).replace(/main(\.\w+)$/, `${name}$1`);
  return [process.execPath, ...process.execArgv, file];
}

function run({ name, limit, command: [program, ...args], input }: Part): void {
  const left = Number(values.seconds) - (performance.now() - began) / 1000;
  if (left < 5) {
    results.failed.push({ part: name, because: "there was no time left" });
    return;
  }
  const start = performance.now();
  const { stdout, stderr, status, error } = spawnSync(program as string, args, {
    encoding: "utf8",
    timeout: Math.round(1000 * Math.min(limit, left)),
    maxBuffer: 2 ** 26,
    ...(input !== undefined && { input }),
  });
  const lines = (stdout ?? "").split("\n").filter((line) => line.startsWith("{"));
  for (const line of lines) addFound(results, JSON.parse(line) as Found);
  if (status !== 0) {
    const because = error?.message ?? (stderr ?? "").trim().split("\n").slice(-12).join("\n");
    results.failed.push({ part: name, because });
  }
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  process.stdout.write(`${name}: ${lines.length} lines in ${seconds} s${status === 0 ? "" : ", FAILED"}\n`);
  // A run that is cut off has told what it found.
  process.stdout.write(lines.map((line) => `${line}\n`).join(""));
  writeResults(join(out, `${slug(results.device)}-e2e.json`), results);
  writeFileSync(join(out, `e2e-${name.replace(" ", "-")}.log`), `${stdout ?? ""}${stderr ?? ""}`);
}

function commit(): string {
  const file = join(folder, "commit");
  return existsSync(file) ? readFileSync(file, "utf8").trim() : "not from the portable folder";
}

/** `h200` of "NVIDIA H200". */
function slug(device: string): string {
  return (/[A-Z]+\d+\w*/.exec(device)?.[0] ?? device.replace(/\W+/g, "-")).toLowerCase();
}
